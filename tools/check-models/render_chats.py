"""Renders conversations with chat templates, as transformers does, after preparing them as vLLM does.

    python render_chats.py < request.json > answer.json

The request is {"templates": {name: source}, "conversations": [{"name", "messages", "tools"}], "variables": {}, "now": ISO time}.
The answer is {name: [{"text"} | {"refused"} | {"failed"}, one for each conversation]}.
"""

import json
import sys
from datetime import datetime

import jinja2
from jinja2 import nodes
from transformers.utils import chat_template_utils as chats


def takes_parts(template: str) -> bool:
    """Tells whether vLLM would give this template lists of parts: it loops over the content of messages, itself or in a macro."""
    root = chats._compile_jinja_template(template).environment.parse(template)
    messages = find_names(root, {"messages"})
    message = {loop.target.name for loop in root.find_all(nodes.For) if isinstance(loop.target, nodes.Name) and reads(loop.iter, messages)}
    if any(reads(loop.iter, message, "content") for loop in root.find_all(nodes.For)):
        return True
    in_macros = set()
    for macro in root.find_all(nodes.Macro):
        fed = {name for call in root.find_all(nodes.Call) if is_call_of(call, macro) for name in parameters_with_content(call, macro, message)}
        for loop in macro.find_all(nodes.For):
            in_macros.add(id(loop))
            if isinstance(loop.iter, nodes.Name) and loop.iter.name in fed:
                return True
    return any(id(loop) not in in_macros and isinstance(loop.iter, nodes.Name) and loop.iter.name == "content" for loop in root.find_all(nodes.For))


def is_call_of(call: nodes.Call, macro: nodes.Macro) -> bool:
    return isinstance(call.node, nodes.Name) and call.node.name == macro.name


def parameters_with_content(call: nodes.Call, macro: nodes.Macro, message: set[str]):
    names = [argument.name for argument in macro.args]
    yield from (name for name, argument in zip(names, call.args) if reads(argument, message, "content"))
    yield from (given.key for given in call.kwargs if given.key in names and reads(given.value, message, "content"))


def find_names(root, names: set[str]) -> set[str]:
    """Returns the names, and those of variables that are set from them."""
    while True:
        found = {s.target.name for s in root.find_all(nodes.Assign) if isinstance(s.target, nodes.Name) and reads(s.node, names)}
        if found <= names:
            return names
        names = names | found


def reads(node, names: set[str], key: str | None = None) -> bool:
    """Tells whether a node is one of the variables (or its field `key`), filtered or sliced."""
    if isinstance(node, (nodes.Filter, nodes.Test)):
        return node.node is not None and reads(node.node, names, key)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        return reads(node.node, names, key)
    if key is None:
        return isinstance(node, nodes.Name) and node.name in names
    if isinstance(node, nodes.Getitem):
        return isinstance(node.arg, nodes.Const) and node.arg.value == key and reads(node.node, names)
    return isinstance(node, nodes.Getattr) and node.attr == key and isinstance(node.node, nodes.Name) and node.node.name in names


def takes_text(template: str, variables: dict) -> bool:
    """Tells whether the template shows a content that is a text; some read lists only, and would drop it."""
    marker = "marker 7"
    return marker in render(template, {"messages": [{"role": "user", "content": marker}]}, variables, (False, True)).get("text", marker)


def prepare(message: dict, as_parts: bool, as_text: bool) -> dict:
    """Gives a text as it is, as transformers gets it, and several as vLLM gives them: a list, or joined by newlines."""
    content = message.get("content")
    texts = [""] if content is None else [content] if isinstance(content, str) else [part["text"] for part in content]
    is_list = not as_text or (as_parts and isinstance(content, list) and message["role"] != "tool")
    prepared = {**message, "content": [{"type": "text", "text": text} for text in texts] if is_list else "\n".join(texts)}
    calls = prepared.pop("tool_calls", None)
    if calls:
        prepared["tool_calls"] = [{**call, "function": {**call["function"], "arguments": parse(call["function"]["arguments"])}} for call in calls]
    return prepared


def parse(arguments: str | None) -> dict:
    return json.loads(arguments) if arguments else {}


def render(template: str, conversation: dict, variables: dict, shapes: tuple[bool, bool]) -> dict:
    messages = chats._normalize_chat_messages([prepare(message, *shapes) for message in conversation["messages"]])
    try:
        [text], _ = chats.render_jinja_template([messages], tools=conversation.get("tools"), chat_template=template, add_generation_prompt=True, **variables)
        return {"text": text}
    except jinja2.exceptions.TemplateError as error:
        return {"refused" if type(error) is jinja2.exceptions.TemplateError else "failed": str(error)}
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        return {"failed": str(error)}


def fix_time(iso: str) -> None:
    """Makes `strftime_now` show one time."""
    now = datetime.fromisoformat(iso)
    chats.datetime = type("FixedTime", (), {"now": staticmethod(lambda: now)})


def main() -> None:
    request = json.load(sys.stdin)
    fix_time(request["now"])
    answer = {}
    for name, template in request["templates"].items():
        shapes = takes_parts(template), takes_text(template, request["variables"])
        answer[name] = [render(template, conversation, request["variables"], shapes) for conversation in request["conversations"]]
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
