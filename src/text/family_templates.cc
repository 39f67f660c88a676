#include "text/family_templates.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace saccade {
namespace {

// Each begins with a macro that prints a message's parts. Line breaks after blocks are not printed.
constexpr FamilyTemplate kVicuna{"vicuna", R"(
{%- macro body(message) %}{% for part in message.content %}
{{- image_marker + '\n' if part.type == 'image' else part.text }}{% endfor %}{% endmacro %}
{%- for message in messages %}
{%- if message.role == 'system' %}{{ body(message) + ' ' }}
{%- elif message.role == 'user' %}{{ 'USER: ' + body(message) + ' ' }}
{%- else %}{{ 'ASSISTANT: ' + body(message) }}{{ eos_token }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %})"};

constexpr FamilyTemplate kPlain{"plain", R"(
{%- macro body(message) %}{% for part in message.content %}
{{- image_marker + '\n' if part.type == 'image' else part.text }}{% endfor %}{% endmacro %}
{%- for message in messages %}
{%- if message.role == 'system' %}{{ body(message) + '\n' }}
{%- elif message.role == 'user' %}{{ 'USER: ' + body(message) + '\n' }}
{%- else %}{{ 'ASSISTANT: ' + body(message) + '\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %})"};

constexpr FamilyTemplate kChatml{"chatml", R"(
{%- macro body(message) %}{% for part in message.content %}
{{- image_marker if part.type == 'image' else part.text }}{% endfor %}{% endmacro %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' + body(message) + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})"};

constexpr FamilyTemplate kLlama2{"llama-2", R"(
{%- macro body(message) %}{% for part in message.content %}
{{- image_marker + '\n' if part.type == 'image' else part.text }}{% endfor %}{% endmacro %}
{%- set ns = namespace(system='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}{% set ns.system = '<<SYS>>\n' + body(message) + '\n<</SYS>>\n\n' %}
{%- elif message.role == 'user' %}{{ '[INST] ' + ns.system + body(message) + ' [/INST]' }}{% set ns.system = '' %}
{%- else %}{{ ' ' + body(message) }}{{ eos_token }}{% endif %}
{%- endfor %})"};

constexpr FamilyTemplate kLlama3{"llama-3", R"(
{%- macro body(message) %}{% for part in message.content %}
{{- image_marker if part.type == 'image' else part.text }}{% endfor %}{% endmacro %}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + body(message) | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})"};

// Idefics3 and SmolVLM open the conversation, not each turn, and put no space between "User:" and a picture.
constexpr FamilyTemplate kSmolVlm{"smolvlm", R"(
{{- '<|im_start|>' }}
{%- for message in messages %}
{{- message.role | capitalize + (':' if message.content and message.content[0].type == 'image' else ': ') }}
{%- for part in message.content %}{{ image_marker if part.type == 'image' else part.text }}{% endfor %}
{{- '<end_of_utterance>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif %})"};

bool name_contains(const Metadata& metadata, std::string_view part) {
  for (const char* key : {"general.name", "general.basename", "general.architecture"}) {
    Expected<std::string> name = metadata.string(key);
    if (!name.is_ok()) continue;
    std::transform(name->begin(), name->end(), name->begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (name->find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

FamilyTemplate choose_family_template(const Metadata& metadata, const Tokenizer& tokenizer) {
  if (tokenizer.special("<end_of_utterance>")) return kSmolVlm;
  if (tokenizer.special("<|im_end|>")) return kChatml;
  if (tokenizer.special("<|start_header_id|>")) return kLlama3;
  if (name_contains(metadata, "llava") || name_contains(metadata, "vicuna")) return kVicuna;
  if (name_contains(metadata, "llama-2") || name_contains(metadata, "mistral")) return kLlama2;
  const Expected<std::string> model = metadata.string("tokenizer.ggml.model");
  return model.is_ok() && *model == "llama" ? kVicuna : kPlain;
}

}  // namespace saccade
