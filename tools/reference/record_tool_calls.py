"""Records how vLLM reads the answers in packages/text/test/__fixtures__/tool-calls/*.json.

    python3.11 -m venv .venv && .venv/bin/pip install vllm==0.32.0
    .venv/bin/python tools/reference/record_tool_calls.py

Each file holds the answers of one format: `output` is what a model wrote, `read` is what our reader must give. This script fills
`vllm` with what vLLM's own parsers for that format give: the tool parser, with the reasoning parser before it where the case says
`thought`. No weights are needed; the tokenizer is a bare byte vocabulary with the marks of the formats as tokens. Formats that vLLM
has no parser for keep `"parser": null`; neither can gpt-oss be recorded without a download, since its parser reads token ids of a
vocabulary that the package fetches.
"""

import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.parser_manager import ParserManager

FIXTURES = pathlib.Path(__file__).parents[2] / "packages/text/test/__fixtures__/tool-calls"
MARKS = """<think> </think> <tool_call> </tool_call> <|python_tag|> <|tool_call> <tool_call|> <|channel> <channel|> <|turn> <|tool_response>
<|"|> <start_function_call> <end_function_call> <escape> <|tool_call_start|> <|tool_call_end|> <｜tool▁calls▁begin｜> <｜tool▁calls▁end｜>
<｜tool▁call▁begin｜> <｜tool▁call▁end｜> <｜tool▁sep｜> <|tool_calls_section_begin|> <|tool_calls_section_end|> <|tool_call_begin|>
<|tool_call_end|> <|tool_call_argument_begin|> [TOOL_CALLS] [THINK] [/THINK] <|start|> <|message|> <|eom|> <|eot|>""".split()


def make_tokenizer(marks):
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(marks)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def record(case, tokenizer, parser, reasoning, tools):
    parser_class = ParserManager.get_parser(
        tool_parser_name=parser, reasoning_parser_name=reasoning if case.get("thought") else None, enable_auto_tools=True
    )
    request = ChatCompletionRequest(
        model="any", messages=[{"role": "user", "content": "?"}], tools=tools, tool_choice="auto", skip_special_tokens=False
    )
    instance = parser_class(tokenizer, request.tools)
    thought, content, calls = instance.parse(case["output"], request, enable_auto_tools=True)
    return {
        "content": content or "",
        "thought": thought or "",
        "calls": [{"name": call.name, "arguments": call.arguments} for call in calls or []],
    }


def main():
    for path in sorted(FIXTURES.glob("*.json")):
        fixture = json.loads(path.read_text())
        if fixture["parser"] is not None:
            tokenizer = make_tokenizer(MARKS + fixture.get("marks", []))
            for case in fixture["cases"]:
                case["vllm"] = record(case, tokenizer, fixture["parser"], fixture.get("reasoning"), fixture["tools"])
        path.write_text(json.dumps(fixture, indent=2, ensure_ascii=False) + "\n")
        print(f"{path.name}: {len(fixture['cases'])} answers")


if __name__ == "__main__":
    main()
