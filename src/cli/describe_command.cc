// saccade describe: the texts that may stand in place of pictures, made ahead of the questions.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct DescribeOptions {
  EngineOptions engine;
  std::vector<std::string> images;
  std::string texts_path;
  bool is_json = false;
};

Expected<PictureText> describe(Engine& engine, const std::string& path) {
  ContentPart picture;
  picture.kind = ContentPart::Kind::kImage;
  picture.path = path;
  ProgressLine progress;
  AnswerCallbacks callbacks;
  callbacks.on_progress = [&](const Progress& now) {
    progress.show(now.stage == "encode" ? "looking" : "reading", now.fraction);
    return !is_interrupted();
  };
  return engine.describe(picture, callbacks);
}

void print(const std::string& path, const PictureText& text, bool is_json) {
  if (is_json) {
    print_json({{"image", path}, {"caption", text.caption}, {"transcription", text.transcription}});
  } else {
    write_out(one_line(path) + "\n  caption        " + one_line(text.caption) + "\n  transcription  " +
              one_line(text.transcription) + "\n");
  }
}

int run_describe(DescribeOptions& options) {
  const Status opened = open_texts(options.texts_path, options.engine);
  if (!opened.is_ok()) return report_error(opened, options.is_json);
  const auto engine = load_engine(options.engine);
  if (!engine) return report_error(engine.status(), options.is_json);
  for (const std::string& image : options.images) {
    const auto text = describe(**engine, image);
    if (!text) return report_error(text.status(), options.is_json);
    print(image, *text, options.is_json);
  }
  return kExitOk;
}

}  // namespace

void add_describe_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<DescribeOptions>();
  CLI::App* command =
      app.add_subcommand("describe", "Make the texts that may stand in place of pictures, ahead of the questions");
  add_model_options(*command, options->engine);
  add_texts_option(*command, options->texts_path);
  command->add_flag("--json", options->is_json, "Print a JSON object for each picture");
  command->add_option("IMAGE", options->images, "Picture files (JPEG, PNG, WebP)")->required();
  command->footer(
      "A text is the model's own caption and transcription of a picture, kept by the picture's content: a picture\n"
      "that has one is not described again.\n\n"
      "Example:\n"
      "  saccade describe model.gguf --texts texts.sqlite inbox/*.png\n"
      "  saccade ask model.gguf --texts texts.sqlite --within 300ms --image inbox/1.png \"Who sent this?\"");
  command->callback([options, &exit_code] { exit_code = run_describe(*options); });
}

}  // namespace saccade
