"""Makes packages/text/test/__fixtures__/jinja.json: what Jinja2, as transformers sets it up, makes of small templates.

    python3 -m venv .venv && .venv/bin/pip install transformers==5.24.0 jinja2==3.1.6
    .venv/bin/python tools/reference/make_jinja_fixture.py

Each case holds a template and its text, or `"fails": true` where Jinja2 raises. The variables are those of VARIABLES.
"""

import json
import pathlib
from datetime import datetime

from transformers.utils import chat_template_utils as chats

FIXTURE = pathlib.Path(__file__).parents[2] / "packages/text/test/__fixtures__/jinja.json"
NOW = datetime(2026, 5, 3, 17, 8, 9)
VARIABLES = {
    "text": "Hello, wörld 🙂!",
    "blanks": "\ufeff\x85\x1c a b \x1f\u3000\n",
    "empty": "",
    "number": 7,
    "big": 2512292042121000001,
    "fraction": 2.5,
    "tiny": 1e-7,
    "huge": 1e22,
    "whole": 3.0,
    "yes": True,
    "no": False,
    "nothing": None,
    "list": [3, 1, 2],
    "names": ["b", "A", "c", "a"],
    "bare": [],
    "mixed": [1, "two", None, True, 4.5, [1], {"a": 1}],
    "map": {"b": 1, "A": [1, "x"], "10": None, "2": {"deep": "it's"}},
    "items": [{"n": 2, "t": "x", "items": 5}, {"n": 1, "t": "y"}, {"n": 3, "t": "x", "f": {"g": "h"}}],
    "quotes": "it's \"q\" \\ \n\t\x07 é \u2028 \U0001f642",
    "html": "<a href='x'>&\"</a>",
}
EXPRESSIONS = """
'' == false | '' != false | 0 == false | 1 == true | 1 == 1.0 | '1' == 1 | none == false | missing == none | missing == other | [1, 2] == [1, 2.0]
{'a': 1} == {'a': 1.0} | (1, 2) == [1, 2] | [] == false | 'a' < 'b' | [1, 2] < [1, 3] | 1 < 'a' | none < 1 | 1 < 2.5 | true + true
nothing | yes | no | missing | missing.x | nothing.x | number | big | big + 1 | fraction | tiny | huge | whole | whole * 2 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 7 / 2 | 7.5 // 2 | -7.5 % 2 | 2 ** 10 | 2 ** -1
7 / 0 | 'a' + 1 | 'a' ~ 1 ~ none ~ true ~ 1.0 | 'a' * 3 | [1] * 2 | [1] + [2] | 'a' + none | not '' | not [] | not missing | -number | +yes | -'a'
list | names | mixed | map | items | (1, "a") | [[]] | [none, 'x', "y'z"] | quotes | [quotes] | bare | map.b | map['A'] | map.get('x') | map.get('x', 1) | map.get('10', 5)
items[0]['items'] | list[0] | list[-1] | list[5] | list['0'] | list[1:] | list[::-1] | list[:-1] | text[1] | text[-2] | text[::-1] | text[7:13] | map['x'] | map.x.y | 'abc'.x | text[99]
text | upper | text | lower | text | length | text | title | text | capitalize | text | reverse | text | list | text | trim | blanks | trim | blanks | tojson | empty | length | number | string | whole | string | list | string
""".strip()
FILTERS = [
    "text|upper", "text|lower", "text|length", "text|title", "'it is-a (b)'|title", "text|capitalize", "'ABC dEF'|capitalize", "text|reverse", "text|list",
    "blanks|trim", "blanks|tojson", "'xxaxx'|trim('x')", "map|length", "missing|length", "number|length", "bare|length", "list|first", "bare|first", "bare|last", "names|last", "'abc'|first",
    "names|sort", "names|sort(reverse=true)", "names|sort(case_sensitive=true)", "items|sort(attribute='n')|map(attribute='t')|list", "mixed|sort", "names|unique|list", "list|min", "list|max", "bare|max", "list|sum", "items|sum(attribute='n')", "items|sum('n', 10)",
    "map|dictsort", "map|dictsort(true)", "map|dictsort(by='value')", "{'b': 2, 'a': 3}|dictsort(by='value', reverse=true)", "list|dictsort", "map|items|list", "missing|items|list", "list|items|list",
    "list|join(', ')", "mixed|join('|')", "items|join('-', attribute='t')", "'abc'|join('.')", "list|join", "names|map('upper')|list", "list|map('string')|list", "items|map(attribute='f.g', default='?')|list", "items|map(attribute='zz')|list",
    "items|selectattr('t', 'equalto', 'x')|list|length", "items|selectattr('f')|list|length", "items|rejectattr('f', 'defined')|list|length", "items|selectattr('n', '>', 1)|map(attribute='n')|list", "list|select('odd')|list", "list|reject('equalto', 1)|list", "mixed|select('string')|list", "mixed|select|list",
    "missing|default('d')", "empty|default('d')", "empty|default('d', true)", "bare|d([1])", "number|default(boolean=true)", "nothing|default('d', true)", "missing|upper", "missing|tojson", "missing|list", "missing|string|length",
    "map|tojson", "mixed|tojson", "quotes|tojson", "quotes|tojson(ensure_ascii=true)", "map|tojson(indent=2)", "bare|tojson(indent=2)", "[[], {}]|tojson(indent=1)", "map|tojson(sort_keys=true)", "map|tojson(separators=(',', ':'))", "map|tojson(indent=2, separators=(',', ' : '))", "big|tojson", "whole|tojson", "tiny|tojson", "huge|tojson", "fraction|tojson", "(1, 2)|tojson", "{1: 2}|tojson",
    "'a\nb\n\nc'|indent", "'a\nb\n\nc'|indent(2, true)", "'a\nb\n\nc'|indent(2, first=true, blank=true)", "'a\n'|indent('> ')", "5|indent", "'aXbX'|replace('X', '-')", "'aXbX'|replace('X', '-', 1)", "'abc'|replace('', '-')", "123|replace(2, 'x')",
    "'12'|int", "'x'|int", "'x'|int(7)", "'3.9'|int", "3.9|int", "-3.9|int", "' 5 '|int", "'1_0'|int", "true|int", "none|int", "'2.5'|float", "'x'|float", "3|float", "'1e3'|float", "2.5|round", "3.5|round", "2.567|round(2)", "2.1|round(method='ceil')", "-2.1|round(0, 'floor')", "-5|abs", "-2.5|abs", "number|round", "yes|round", "'12'|round", "missing|int", "missing|float",
    "nothing|select|list", "no|map('upper')|list", "0|selectattr('a')|list", "mixed|unique|list", "map[1:]", "number[1:]", "list is lower", "names is upper", "2.0 is even", "2.5 is odd", "3.0 is odd",
    "html|escape", "html|e", "html|safe", "'a b  c'|wordcount", "map|attr('keys') is callable", "text|nofilter",
]
TESTS = """missing is defined|nothing is defined|missing is undefined|nothing is none|text is string|number is string|number is number|yes is number|yes is boolean|yes is integer|number is integer|whole is integer|whole is float|list is iterable|map is iterable|text is iterable|number is iterable|missing is iterable|nothing is iterable|list is sequence|map is sequence|text is sequence|number is sequence|missing is sequence|map is mapping|list is mapping|'a' is lower|'A1' is upper|'1' is upper|number is odd|number is even|yes is true|1 is true|no is false|range is callable|text is callable|text is not string|not text is string|2 in list|'x' in map|'b' in map|'ell' in text|1 in text|1 in number|'a' not in names|missing in list|1 in missing|none in mixed|1.0 in list|number is divisibleby 7|number is divisibleby(2)|number is not divisibleby(2)|text is eq 'x'|number is eq 7 and yes|not number is eq 7|2 is in list|5 is not in list|items[0].n is gt list[2] or no|nothing is sameas none|number is ne map.b + 6|list is eq [3, 1, 2]|(1 == 1) != (2 == 3)|1 in list and 2 in list|1 if 1 < 2 else 3 < 2""".split("|")
METHODS = """blanks.strip()|blanks.lstrip()|blanks.rstrip()|'xxaxx'.strip('x')|'abcab'.lstrip('ba')|'a,b,c'.split(',')|'a,b,c'.split(',', 1)|'a,b,c'.rsplit(',', 1)|' a  b c '.split()|' a  b c '.split(none, 1)|' a  b c '.rsplit(none, 1)|''.split()|''.split(',')|'abc'.split('')|'a\r\nb\nc\x0bd\u2028'.splitlines()|'abc'.startswith('a')|'abc'.startswith(('x', 'a'))|'abc'.endswith('bc')|'abc'.endswith(1)|'aXbX'.replace('X', '-')|'aXbX'.replace('X', '-', 1)|'abc'.replace('', '-', 2)|'aXb'.replace('X')|','.join(['a', 'b'])|','.join([1])|text.upper()|text.lower()|text.title()|"it's a".title()|text.capitalize()|text.find('w')|text.find('!')|text.rfind('l')|text.find('zz')|text.count('l')|'aaa'.count('')|'12'.isdigit()|''.isdigit()|'a1'.isalnum()|'ab'.isalpha()|' '.isspace()|'AB'.isupper()|'ab'.islower()|'a-b-c'.partition('-')|'a-b-c'.rpartition('-')|'abc'.partition('x')|'abc'.removeprefix('a')|'abc'.removesuffix('c')|'abc'.removesuffix('')|'Straße'.casefold()|list.index(1)|list.count(1)|list.append(4)|map.update({})|map.pop('b')|text.nomethod()|list.copy()|map.copy()""".split("|")
STATEMENTS = [
    "{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for x in list %}{{ x }}{% if loop.index == 2 %}!{% break %}{% endif %};{% endfor %}",
    "{% for x in list %}{{ x }}{% if x == 1 %}{% continue %}{% endif %};{% endfor %}",
    "{% for x in bare %}{{ x }}{% else %}empty{% endfor %}", "{% for x in list if x > 5 %}{{ x }}{% else %}empty{% endfor %}", "{% for x in list if x > 1 %}{{ loop.index }}{{ x }}{{ loop.last }}{% endfor %}",
    "{% for x in list %}{% if loop.last %}{% break %}{% endif %}{% else %}no{% endfor %}", "{% for x in missing %}a{% else %}b{% endfor %}", "{% for x in nothing %}a{% endfor %}", "{% for c in 'aé🙂' %}[{{ c }}]{% endfor %}",
    "{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in map %}{{ k }};{% endfor %}", "{% for a, b in [[1, 2], [3]] %}{{ a }}{% endfor %}", "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{% endfor %}", "{% for x in list %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% endfor %}",
    "{% set a = 1 %}{% for x in list %}{% set a = a + x %}{{ a }}{% endfor %}{{ a }}", "{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}", "{% set ns = namespace(a=1) %}{% for x in list %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}", "{% set ns = namespace({'b': 2}, a=1) %}{{ ns.a }}{{ ns.b }}{{ ns.c }}", "{% set map.x = 1 %}",
    "{% set a, b = 1, 'x' %}{{ a }}{{ b }}", "{% set a, b = list %}", "{% set a = 1, 2 %}{{ a }}", "{% set x %} a {{ number }}{% endset %}[{{ x }}]",
    "{% macro m(a, b='d', c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}{{ m(1, c=2) }}{{ m(b=1) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, z=3) }}", "{% macro m(a=nothing) %}{{ a }}{% endmacro %}{{ m(none) }}{{ m([]) }}",
    "{% macro m() %}{{ late }}{% endmacro %}{% set late = 'x' %}{{ m() }}", "{% macro m() %}{{ y }}{% endmacro %}{% for y in list %}{{ m() }}{% endfor %}", "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{% endcall %}", "{% macro m() %}<{{ caller(1) }}>{% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}", "{% macro r(n) %}{{ n }}{% if n > 0 %}{{ r(n - 1) }}{% endif %}{% endmacro %}{{ r(3) }}", "{% macro m() %}x{% endmacro %}{{ m() | upper }}{{ m() == 'x' }}",
    "{% filter upper %}a{{ text }}{% endfilter %}", "{{ 1 if yes }}{{ 1 if no }}{{ 1 if no else 2 }}", "{{ 'a' if no }}|{{ ('a' if no) is defined }}", "{{ yes and number }}{{ no or empty or 'z' }}{{ no and x.y }}",
    "  {% if yes %}\n  a\n  {% endif %}\nb\n", "a  \n  {%- if yes -%}  \n b {% endif %} c", "x {{- number -}} y", "{#- c -#}  a {# d #}\nb", "  {{ number }}\n{{ number }}\n\n", "a\r\nb\r\n{% if yes %}\r\nc\r\n{% endif %}\r\nd\re", "{% if yes %}\n\n  x{% endif %}\n", "\t{% set a = 1 %}\n{{ a }}", "a {% if yes %} b {%- endif %}\n\n c",
    "{% generation %}a{% set g = 1 %}{{ g }}{% endgeneration %}{{ g }}", "x  {%- generation -%}  a  {%- endgeneration -%}  y", "{% for x in list %}{%- generation %}\n  {{ x }}\n{% endgeneration %}\n  {%- endfor %}", "{{ number -}}\n{% generation %}\n  b{% endgeneration %}",
    "{{ range(3) | list }}{{ range(1, 4) | list }}{{ range(5, 0, -2) | list }}", "{{ range(1000000) }}", "{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}", "{{ strftime_now('%d %b %Y %B %A %a %H:%M:%S %I %p %y %%') }}", "{{ raise_exception('no!') }}", "{{ undefined_function() }}", "{{ text() }}", "{{ 'a' 'b' }}", "{{ {'a': 1}.a }}{{ {'a': {'b': 2}}.a.b }}{{ [1, 2][1] }}{{ 'abc'[1] }}", "{{ -1 }}{{ 1 - 1 }}{{ list[0]-1 }}{{ 1-1 }}", "{{ 'a\\nb\\t\\'q\\'' }}", '{{ "\\u00e9\\x41" }}', "{{ true }}{{ True }}{{ false }}{{ None }}{{ none }}", "{{ 1.0 }}{{ 1.50 }}{{ 100000000000000000000 }}", "{{ loop }}",
]


def cases():
    expressions = [e for line in EXPRESSIONS.splitlines() for e in line.split(" | ")] + FILTERS + TESTS + METHODS
    yield from (f"{{{{ {expression} }}}}" for expression in expressions)
    yield from STATEMENTS


def outcome(template):
    try:
        return {"text": chats._compile_jinja_template(template).render(**VARIABLES)}
    except Exception:
        return {"fails": True}


def main():
    chats.datetime = type("FixedTime", (), {"now": staticmethod(lambda: NOW)})
    lines = [json.dumps({"template": template, **outcome(template)}) for template in dict.fromkeys(cases())]
    head = f'"now": "{NOW.isoformat()}",\n"variables": {json.dumps(VARIABLES)},\n"cases": ['
    FIXTURE.write_text("{\n" + head + "\n" + ",\n".join(lines) + "\n]\n}\n", encoding="utf-8")
    print(f"{len(lines)} templates, {sum('fails' in line for line in lines)} of them fail")


if __name__ == "__main__":
    main()
