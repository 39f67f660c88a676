#!/usr/bin/env python3
"""Renders chat templates with Jinja2, set up as Transformers does, and stores the results.

    chat_templates.py tests/parity/data/chat_templates.json

The C++ test src/text/chat_template_parity_test.cc renders the same and compares. Needs jinja2.
"""

import json
import sys

from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

import family_templates as family

ZEPHYR = (
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}")

GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception("
    "'Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}")

TOOLS = """{%- macro describe(tool, depth=0) -%}
{{- ' ' * depth ~ tool.name ~ ': ' ~ tool | tojson(indent=2) | indent(2) }}
{%- endmacro -%}
{%- set tools_in = tools if tools is not none else [{'name': 'now', 'arguments': {'zone': ['UTC', none, 1.5, true]}}] %}
{%- if messages[0].role == "system" %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{#- The tools come first. #}
{{- "<|system|>\\n" }}
{%- if system_message %}{{ system_message ~ "\\n\\n" }}{% endif %}
{%- for tool in tools_in %}
{{ describe(tool, depth=loop.index) }}
{%- endfor %}
{%- set ns = namespace(multi_step=true, last=messages | length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages | length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not (message.content.startswith(
        '<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages if message.role != 'system' %}
    {%- if '</think>' in message.content %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
    {%- else %}
        {%- set content = message.content %}
    {%- endif %}
    {{- '<|' + message.role + '|>' + content + ('<last>' if loop.last else '<more>') }}
    {%- if loop.index0 > ns.last %}<after>{% endif %}
{%- else %}
    {{- 'nobody' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>' }}{% endif %}
{%- endif %}
"""

# One line of output for each corner of the language.
LANGUAGE = """{%- set text = messages[0].content -%}
{{ 1 + 2 * 3 - 4 // 3 % 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1e3 }} {{ 0.1 + 0.2 }} {{ 1 ~ 2.0 }}
{{ (1, 2) | list }} {{ [1, 'a', none, true, 1.0, {'k': "it's"}] }} {{ {'a': {'b': 1}}.a.b }} {{ {'x': 1}['y'] is defined }}
{{ 1 < 2 <= 2 }} {{ 'a' in 'abc' and 'z' not in ['a'] }} {{ not false or x.y }} {{ 'yes' if missing else 'no' }} {{ missing }}
{{ text | upper }} {{ text | lower }} {{ text | capitalize }} {{ text | title }} {{ text.title() }} {{ text | length }}
{{ text[1:3] }}|{{ text[::-1] }}|{{ text[-3:] }}|{{ text[5:1:-2] }}|{{ text[0] }}|{{ text[99] is undefined }}
{{ '  a b '.strip() }}|{{ '  a b '.rstrip() }}|{{ 'xxayx'.strip('x') }}|{{ ' a  b c '.split() }}|{{ 'a,b,c'.split(',', 1) }}
{{ 'aXbX'.replace('X', '--', 1) }} {{ 'abc' | replace('b', '') }} {{ 'ab'.startswith(('x', 'a')) }} {{ 'ab' is string }}
{{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true, reverse=true) }} {{ [1, 2, 1] | unique | list }}
{{ [1, 2, 3] | select('odd') | list }} {{ [1, 2, 3] | reject('equalto', 2) | join('-') }} {{ ['a', 'b'] | map('upper') | join }}
{{ messages | map(attribute='role') | join(', ') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{{ messages | rejectattr('role', 'in', ['user']) | map(attribute='content') | first | default('none', true) }}
{{ [3, 1, 2] | first }} {{ [3, 1, 2] | last }} {{ [] | first is defined }} {{ '42' | int + 1 }} {{ '1.5' | float }} {{ 'x' | int(7) }}
{{ -3 | abs }} {{ (-3) | abs }} {{ 'abc' | reverse }} {{ {'b': 1, 'a': 2} | dictsort | map('last') | list }} {{ {'a': 1} | items | map('first') | list }}
{% for key, value in {'a': 1, 'b': 2}.items() %}{{ key }}={{ value }}{{ ', ' if not loop.last }}{% endfor %}

{% for i in range(5) if i is even %}{{ loop.index }}/{{ loop.length }}:{{ i }}({{ loop.previtem }},{{ loop.nextitem }}) {% else %}-{% endfor %}

{% for i in range(10, 0, -3) %}{% if i == 4 %}{% continue %}{% endif %}{{ i }} {% endfor %}{% for i in range(9) %}{% if i > 2 %}{% break %}{% endif %}{{ i }}{% endfor %}

{% set block %} {{ text }} {% endset %}[{{ block | trim }}]
{% macro greet(name, mark='!') %}Hello {{ name }}{{ mark }}{% if caller %}({{ caller() }}){% endif %}{% endmacro %}
{{ greet('you') }} {{ greet(mark='?', name='me') }} {% call greet('all') %}{{ text }}{% endcall %}

{% raw %}{{ not this }} {% neither %}{% endraw %} {{- ' trimmed ' -}}   {#- gone -#}   .
    {% if true %}
  indented
    {% endif %}
{%+ if true +%}
kept
{% endif %}
{{ {'a': [1, {'b': 'é"\\n'}], 'e': [], 'f': {}} | tojson }}
{{ {'a': [1, {'b': text}], 'e': [], 'f': {}} | tojson(indent=4) }}
{{ 'one\\ntwo\\n\\nthree' | indent(3) }} {{ "a" "b" 'c' }} {{ '\\u00e9\\x41\\t|' }} {{ 'it''s' }}
{{ none is none }} {{ 1 is number }} {{ true is boolean }} {{ {} is mapping }} {{ [] is sequence }} {{ 'a' is iterable }}
{{ 3 is divisibleby 3 }} {{ 1 is not defined }} {{ 5 is gt 3 }} {{ 'a' is in ['a'] }} {{ 1.0 == 1 }} {{ '1' == 1 }} {{ [1] == [1] }}
{% filter upper %}shout {{ text }}{% endfilter %}
"""

TYPED = ["vicuna", "mistral", "smolvlm", "qwen2_vl"]


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def environment() -> ImmutableSandboxedEnvironment:
    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise TemplateError(message)

    result = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    result.filters["tojson"] = tojson
    result.globals["raise_exception"] = raise_exception
    return result


USER = {"role": "user", "content": [{"type": "text", "text": " What is <image> 'this'? <|im_end|>\n{{ 1 }} Ünï "}]}
PICTURE = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Describe it."}]}
TWO = {"role": "user", "content": [{"type": "text", "text": "Compare"}, {"type": "image"}, {"type": "image"}]}
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "<think>hm</think>\n\nA cat."}]}
SYSTEM = {"role": "system", "content": [{"type": "text", "text": " Be brief. "}]}
CONVERSATIONS = [[USER], [SYSTEM, USER], [USER, ANSWER, USER], [SYSTEM, USER, ANSWER, USER]]
PICTURES = [[PICTURE], [TWO], [PICTURE, ANSWER, USER], [PICTURE, ANSWER, TWO]]


def flatten(message: dict) -> dict:
    return {"role": message["role"], "content": "".join(part["text"] for part in message["content"])}


def main(out: str) -> None:
    templates = {"vicuna": family.VICUNA, "mistral": family.MISTRAL, "smolvlm": family.SMOLVLM,
                 "qwen2_vl": family.QWEN2_VL, "llama3": family.LLAMA3, "llama2": family.LLAMA2, "chatml": family.CHATML,
                 "zephyr": ZEPHYR, "gemma": GEMMA, "tools": TOOLS, "language": LANGUAGE}
    cases = []
    for name, source in templates.items():
        is_typed = name in TYPED
        compiled = environment().from_string(source)
        for messages in CONVERSATIONS + (PICTURES if is_typed else []):
            for add_generation_prompt in (True, False):
                given = messages if is_typed else [flatten(message) for message in messages]
                try:
                    text = compiled.render(messages=given, add_generation_prompt=add_generation_prompt, tools=None,
                                           documents=None, bos_token="<s>", eos_token="</s>")
                except TemplateError as error:
                    text = None
                    if "undefined" in str(error):
                        raise
                cases.append({"template": name, "messages": messages, "generate": add_generation_prompt, "text": text})
    with open(out, "w") as file:
        json.dump({"templates": templates, "cases": cases}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
