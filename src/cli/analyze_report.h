// What `saccade analyze` shows.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/analysis.h"

namespace saccade {

struct NamedAnalysis {
  std::string name;  // "full", "budget=0.6"
  Analysis analysis;
};

/// What was analyzed, on what.
struct AnalysisFacts {
  std::string path;
  std::string family;
  double num_parameters = 0;
  std::string hardware;
  std::string source;    // of its numbers
  WorkloadSpec request;  // its plan aside
  std::vector<NamedAnalysis> plans;
};

/// Tables for a terminal; with every operator, if asked.
std::string analysis_text(const AnalysisFacts& facts, bool lists_operators);
nlohmann::ordered_json analysis_json(const AnalysisFacts& facts, bool lists_operators);

/// The accelerators that are known by their data sheets.
std::string hardware_text();
nlohmann::ordered_json hardware_json();

}  // namespace saccade
