// What the planner is told of a request before anything is decoded.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "engine/pictures.h"
#include "engine/planning.h"
#include "planner/planner.h"
#include "saccade/request.h"
#include "saccade/status.h"

namespace saccade {

/// The settings of Lever::kScale that are compared, where they make a difference to the request's pictures.
inline constexpr double kScales[] = {1, 0.875, 0.75, 0.625, 0.5, 0.375};

/// Adds a picture as it is laid out. Errors: those of VisionEncoder::layout().
Status add_picture(const Model& model, const ModelShape& shape, const Picture& picture, LookChoice& look);

/// The text of the last message: the question.
std::string question_of(const Request& request);

/// Facts, and the settings of the levers that are free: those that the request's plan leaves to the planner.
/// `text_rows` counts the prompt's rows that are text. Leaves the pictures laid out at some resolution. Errors: those
/// of set_fineness().
Expected<PlanRequest> describe(const Model& model, const Planning& planning, const Request& request,
                               std::span<Picture> pictures, int64_t text_rows);

/// Adds the ways not to look at the pictures, as far as the request leaves them open and their texts are there: its
/// Lever::kPictures. `text_rows` has for each picture how many rows the text in its place would take; none: there is no
/// text. Errors: those of set_fineness().
Status add_substitutes(const Model& model, const Planning& planning, const Request& request,
                       std::span<Picture> pictures, std::span<const std::optional<double>> text_rows,
                       PlanRequest& described);

}  // namespace saccade
