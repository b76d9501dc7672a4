"""Encodes conversations with the tokenizers of models, as transformers' `apply_chat_template` does.

    python encode_chats.py < request.json > answer.json

The request is {"tokenizers": {name: {"directory", "templates": {name: source}}}, "conversations": […], "now": ISO time}. The answer is
{name: {"chats": {template: [ids, or null where the template refuses]}, "special": {…}}}; `special` holds the names of the special tokens.
"""

import json
import sys

import jinja2
from render_chats import fix_time, prepare, takes_parts, takes_text
from transformers import PreTrainedTokenizerFast


def encode(tokenizer, template: str, conversation: dict, shapes: tuple[bool, bool]) -> list[int] | None:
    messages = [prepare(message, *shapes) for message in conversation["messages"]]
    try:
        return tokenizer.apply_chat_template(
            messages, tools=conversation.get("tools"), chat_template=template, add_generation_prompt=True, tokenize=True, return_dict=False
        )
    except (jinja2.exceptions.TemplateError, TypeError, ValueError, KeyError, AttributeError):
        return None


def load(directory: str) -> PreTrainedTokenizerFast:
    """Loads exactly what tokenizer.json says; the classes of some families would rebuild it with settings of their own."""
    with open(f"{directory}/tokenizer_config.json", encoding="utf-8") as file:
        config = json.load(file)
    names = ["bos_token", "eos_token", "unk_token", "pad_token"]
    special = {name: value["content"] if isinstance(value, dict) else value for name in names if (value := config.get(name)) is not None}
    return PreTrainedTokenizerFast(tokenizer_file=f"{directory}/tokenizer.json", clean_up_tokenization_spaces=False, **special)


def main() -> None:
    request = json.load(sys.stdin)
    fix_time(request["now"])
    answer = {}
    for name, model in request["tokenizers"].items():
        print(f"check:models: transformers encodes with {name}", file=sys.stderr)
        tokenizer = load(model["directory"])
        answer[name] = {}
        for template, source in model["templates"].items():
            shapes = takes_parts(source), takes_text(source, tokenizer.special_tokens_map)
            answer[name][template] = [encode(tokenizer, source, conversation, shapes) for conversation in request["conversations"]]
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
