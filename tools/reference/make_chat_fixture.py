"""Makes packages/text/test/__fixtures__/chats.json: chats as transformers renders and encodes them.

    python3 -m venv .venv && .venv/bin/pip install transformers==5.17.0 jinja2==3.1.6
    .venv/bin/python tools/reference/make_chat_fixture.py

The templates beside it are ours, each in the shape of a well-known family. The tokenizers are trained here on a few texts,
with the pipeline of a family too: Qwen's (NFC, a split pattern, bytes) and Llama 3's (another pattern, merges ignored for
whole words, a begin token around bare texts). Each case holds a chat as the OpenAI wire has it, and what transformers'
`apply_chat_template` makes of it after a call's arguments were parsed, as inference servers do.
"""

import json
import pathlib
from datetime import datetime

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

FIXTURES = pathlib.Path(__file__).parents[2] / "packages/text/test/__fixtures__"
NOW = datetime(2026, 5, 3, 7, 8, 9)  # what `strftime_now` shows

QWEN_PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_PATTERN = QWEN_PATTERN.replace(r"|\p{N}| ", r"|\p{N}{1,3}| ")
CORPUS = [
    "What is the weather like in Oslo today? It is 12.5 degrees and it'll rain; that's 100% sure.",
    'The functions: {"name": "get_weather", "arguments": {"city": "Oslo", "unit": "celsius"}}',
    "system user assistant tool response answer question function parameters description",
    "naïve café Ångström 日本語のテキスト 🙂🙂 Привет мир مرحبا",
]


def qwen_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    return finish(tokenizer, QWEN_PATTERN, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], ["<tool_call>", "</tool_call>", "<think>", "</think>"])


def llama_tokenizer():
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    special = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|python_tag|>"]
    tokenizer = finish(tokenizer, LLAMA_PATTERN, special, [])
    begin = special[0]
    frame = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, tokenizer.token_to_id(begin))])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), frame])
    return tokenizer


def finish(tokenizer, pattern, special, added):
    """Added tokens that are not special, as Qwen has them, appear in decoded text."""
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(added)
    return tokenizer


def function(name, description, properties, required):
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def call(name, arguments, number=0):
    return {"id": f"call{number:05}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}}


TOOLS = [
    function(
        "get_weather",
        "The weather <now> & here, in \"°C\" or '°F'.",
        {
            "city": {"type": "string", "description": "Such as 東京 or Łódź."},
            "days": {"type": "array", "items": {"type": "integer"}},
            "strict": {"type": "boolean", "default": False},
            "limit": {"type": "number", "default": 0.25},
            "note": {"type": "string", "default": None},
        },
        ["city"],
    ),
    function("now", "The time.", {}, []),
]
SYSTEM = {"role": "system", "content": "  You are helpful.\n"}
USER = {"role": "user", "content": "What is the weather like in Oslo?"}
WEATHER_CALL = {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"city": "Zürich 🙂", "days": [1, 2], "strict": True, "limit": 0.5, "note": None})]}
RESULT = {"role": "tool", "tool_call_id": "call00000", "content": '{"degrees": 12.5, "sky": "klar & <hell>"}'}

CHATS = {
    "one question": ([USER], None),
    "system and question": ([SYSTEM, USER], None),
    "several turns": ([SYSTEM, USER, {"role": "assistant", "content": "It rains. "}, {"role": "user", "content": " And tomorrow?\n\n"}], None),
    "empty texts": ([{"role": "user", "content": ""}, {"role": "assistant", "content": ""}, {"role": "user", "content": " "}], None),
    "text of many scripts": (
        [{"role": "user", "content": "naïve nai\u0308ve 日本語 👩‍👩‍👧 Привет, мир! مرحبا\u200f \u00a0x\t\r\n\r\n  12345 it'LL don't\u2028"}],
        None,
    ),
    "special tokens in a text": ([{"role": "user", "content": "say <|im_end|> and <|eot_id|> and <think> twice <|im_start|>"}], None),
    "thoughts before an answer": (
        [USER, {"role": "assistant", "content": "<think>\nHe asks again.\n</think>\n\nIt rains."}, {"role": "user", "content": "Why?"}],
        None,
    ),
    "thoughts after the last question": (
        [USER, {"role": "assistant", "content": "<think>\nI look.\n</think>\n\nI look it up.", "tool_calls": [call("now", {})]}, RESULT],
        TOOLS,
    ),
    "tools": ([USER], TOOLS),
    "tools and system": ([SYSTEM, USER], TOOLS[:1]),
    "a call and its result": ([SYSTEM, USER, WEATHER_CALL, RESULT], TOOLS),
    "a call, its result, an answer, a question": (
        [USER, WEATHER_CALL, RESULT, {"role": "assistant", "content": "12.5 degrees."}, {"role": "user", "content": "Thanks"}],
        TOOLS,
    ),
    "a call with words before it": ([USER, {**WEATHER_CALL, "content": "I look it up."}, RESULT], TOOLS),
    "two calls at once": (
        [USER, {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"city": "Oslo"}), call("now", {}, 1)]}, RESULT, {**RESULT, "tool_call_id": "call00001", "content": "07:08"}],
        TOOLS,
    ),
    "a call without tools now": ([USER, WEATHER_CALL, RESULT], None),
}
FAMILIES = {  # tokenizer, template, and a second template for chats with tools, where a family has two
    "chatml": ("qwen", "chatml", None),
    "qwen2.5": ("qwen", "qwen2.5", None),
    "qwen3": ("qwen", "qwen3", None),
    "hermes-2-pro": ("llama", "chatml", "hermes-2-pro"),
    "llama3.1": ("llama", "llama3.1", None),
    "llama3.2": ("llama", "llama3.2", None),
    "function-tag": ("llama", "function-tag", None),
}
CONFIGS = {
    "qwen": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "llama": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
}


def parsed(message):
    calls = [{**c, "function": {**c["function"], "arguments": json.loads(c["function"]["arguments"])}} for c in message.get("tool_calls", [])]
    return {**message, "tool_calls": calls} if calls else message


def read_template(name):
    return (FIXTURES / "templates" / f"{name}.jinja").read_text(encoding="utf-8")


def cases_of(family, tokenizer, default, tool_use):
    tokenizer.chat_template = read_template(default)
    if tool_use:
        tokenizer.chat_template = {"default": read_template(default), "tool_use": read_template(tool_use)}
    for name, (messages, tools) in CHATS.items():
        if family == "chatml" and tools:
            continue  # transformers would drop the tools; the renderer refuses
        chat = {"family": family, "chat": name, "messages": messages, **({"tools": tools} if tools else {})}
        arguments = dict(
            conversation=[parsed(m) for m in messages],
            tools=tools,
            add_generation_prompt=True,
            strftime_now=lambda code: NOW.strftime(code),
        )
        try:
            rendered = tokenizer.apply_chat_template(tokenize=False, **arguments)
        except Exception as error:  # a template may refuse a chat; the renderer must then refuse it too
            yield {**chat, "refused": str(error)}
            continue
        ids = tokenizer.apply_chat_template(tokenize=True, return_dict=False, **arguments)
        yield {**chat, "rendered": rendered, "ids": ids}


def lines_of(fixture):
    """A line for each case: short, and a change shows as the lines that it touches."""
    for name, value in fixture.items():
        items = [json.dumps(item, ensure_ascii=False) for item in value] if isinstance(value, list) else None
        yield f'"{name}": ' + (json.dumps(value) if items is None else "[\n" + ",\n".join(items) + "\n]")


def main():
    cases, texts = [], []
    for name, make in {"qwen": qwen_tokenizer, "llama": llama_tokenizer}.items():
        path = FIXTURES / f"{name}-tokenizer.json"
        make().save(str(path))
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path), clean_up_tokenization_spaces=False, **CONFIGS[name])
        for family, (wanted, *templates) in FAMILIES.items():
            if wanted == name:
                cases += [{"tokenizer": name, **case} for case in cases_of(family, tokenizer, *templates)]
        for messages, _ in CHATS.values():
            text = messages[-1]["content"]
            ids = tokenizer.encode(text)
            decoded = tokenizer.decode(ids, skip_special_tokens=True)
            texts.append({"tokenizer": name, "text": text, "ids": ids, "decoded": decoded})
    fixture = {"now": NOW.isoformat(), "configs": CONFIGS, "families": FAMILIES, "cases": cases, "texts": texts}
    (FIXTURES / "chats.json").write_text("{\n" + ",\n".join(lines_of(fixture)) + "\n}\n", encoding="utf-8")
    refused = sum("refused" in case for case in cases)
    print(f"{len(cases)} chats, {refused} of them refused, {len(texts)} texts")


if __name__ == "__main__":
    main()
