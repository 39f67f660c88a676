// What the ledger keeps of a request: what was asked, promised, done and paid, and by which choice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saccade/budget.h"
#include "saccade/receipt.h"

namespace saccade {

enum class RequestStatus : uint8_t { kOk, kRefused, kFailed, kCancelled };

/// By value, one row. What is absent was not asked, not predicted or not reached.
struct LedgerEntry {
  std::string request_id;  // unique
  int64_t time_us = 0;     // when the request arrived, in microseconds since 1970, UTC
  std::string account;     // name of the API key; empty: none
  std::string model;       // file name
  std::string plan;        // as Receipt::plan
  std::string task_class;
  std::string modality = "text";  // the richest of the request: "text", "image"

  RequestStatus status = RequestStatus::kOk;
  std::string cause;  // of a refusal or failure
  std::string finish_reason;

  Budget asked;
  std::optional<double> predicted_ttft_ms;
  std::optional<double> predicted_ttft_p95_ms;
  std::optional<double> predicted_latency_ms;
  std::optional<double> predicted_latency_p95_ms;
  std::optional<double> predicted_cost_usd;
  std::optional<double> predicted_quality;  // share of the full plan's
  std::optional<double> ttft_ms;
  std::optional<double> latency_ms;
  std::optional<bool> met_latency;
  std::optional<bool> met_ttft;
  std::optional<bool> met_cost;
  std::optional<bool> met_quality;
  std::optional<QualityClaim::Kind> claim_kind;
  double claim_epsilon = 0;
  double claim_delta = 0;
  int64_t claim_questions = 0;

  int64_t text_tokens = 0;             // of the prompt
  int64_t visual_tokens = 0;           // of the prompt, given to the decoder
  int64_t laid_out_visual_tokens = 0;  // before compression
  int64_t cached_tokens = 0;           // of the prompt
  int64_t generated_tokens = 0;
  double flops = 0;
  std::optional<double> cost_usd;
  std::optional<double> full_plan_usd;  // what the full plan would have cost

  // For learning from the past.
  std::string policy;          // that chose the plan; empty: the request named it
  double propensity = 1;       // probability with which the policy chose it, over 0
  std::vector<float> context;  // what the policy saw
  std::string candidates;      // JSON: the plans that fitted, with their predictions
};

/// Fills in what a receipt knows: all but the account and what is for learning.
LedgerEntry from_receipt(const Receipt& receipt, int64_t time_us);

}  // namespace saccade
