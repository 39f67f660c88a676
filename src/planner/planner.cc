#include "planner/planner.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/format.h"
#include "planner/certificate.h"
#include "planner/memory_model.h"

namespace saccade {
namespace {

bool has_passed(const PlanFacts& facts, Checkpoint checkpoint) {
  return facts.passed >= checkpoint;
}

// Until pictures are read, what they show is in doubt, too; but plans are made anew then, down to the resolution, where
// there is another one.
Checkpoint doubts_of(const PlanRequest& request) {
  const bool can_fall_back = options_of(request.options, Lever::kScale).size() > 1;
  const Checkpoint passed = request.facts.passed;
  return passed == Checkpoint::kStart && can_fall_back ? Checkpoint::kMedia : passed;
}

// The safest option of each lever.
Levers full_of(const LeverOptions& options) {
  Levers levers;
  for (size_t i = 0; i < kNumLevers; ++i) levers.values[i] = options[i].front();
  return levers;
}

// What was measured of the levers says nothing where the request itself leaves out what no lever says.
bool is_measured(const PlanRequest& request, const Levers& levers) {
  return request.own == Plan() || is_plan_of_levers(levers, request.own, request.strategy);
}

// Of what loses the same, the faster is: it may be the same plan, with less left to do.
bool is_less_bad(const Candidate& a, const Candidate& b) {
  return std::pair(a.loss, a.latency_p95_ms) < std::pair(b.loss, b.latency_p95_ms);
}

double sum_before_decoding(const StageMs& stages) {
  double sum = 0;
  for (size_t i = 0; i < kNumCostStages; ++i) {
    if (i != static_cast<size_t>(CostStage::kDecode)) sum += stages[i];
  }
  return sum;
}

}  // namespace

PlanFacts PlanRequest::facts_going_on() const {
  PlanFacts known = facts;
  known.past = going_on->past;
  known.looks = going_on->looks;
  known.file_pixels = going_on->file_pixels;
  known.encoded.clear();
  known.instead.clear();
  return known;
}

const EncodedLook* PlanRequest::encoded_by(const Levers& levers) const {
  if (facts.passed != Checkpoint::kStart || levers[Lever::kPictures] != 0) return nullptr;
  for (const EncodedLook& look : facts.encoded) {
    const bool is_it = look.scale == levers[Lever::kScale] && look.skip == levers[Lever::kSkip] &&
                       std::abs(look.encoder_layers - levers[Lever::kEncoderLayers]) < 1e-6;
    if (is_it) return &look;
  }
  return nullptr;
}

std::string size_text(const PlanFacts& facts, const Candidate& candidate) {
  if (candidate.memory_bytes > facts.free_bytes) {
    return "takes " + format_bytes(static_cast<uint64_t>(candidate.memory_bytes)) + " of memory, where " +
           format_bytes(static_cast<uint64_t>(facts.free_bytes)) + " are free";
  }
  return format("has a prompt of %.0f tokens, where the context holds %.0f with the answer", candidate.prompt_rows,
                facts.context_rows);
}

// The parts of candidates, each computed once for all candidates that share it.
class Planner::Search {
 public:
  Search(const Planner& planner, const PlanRequest& request)
      : planner_(planner),
        costs_(planner.costs_),
        quality_(planner.quality_.of(request.task_class)),
        is_calibrated_(planner.quality_.is_calibrated),
        request_(request),
        facts_(request.facts),
        p95_factor_(planner.costs_.p95_factor(doubts_of(request))) {
    if (request.budget.min_quality && is_calibrated_) {
      num_certified_ = certified_rungs(quality_.ladder, 1 - *request.budget.min_quality, planner.quality_.delta);
    }
    for (const double value : options_of(request.options, Lever::kKeep)) {
      kept_by_tokens_.push_back(share_kept(Lever::kKeep, value));
    }
    for (const double value : options_of(request.options, Lever::kLayers)) {
      kept_by_layers_.push_back(share_kept(Lever::kLayers, value));
    }
  }

  Candidate evaluate(const Levers& levers) const;
  Candidate evaluate_going_on() const;
  Candidate evaluate_full() const;
  Verdict verdict(const Candidate& candidate) const;
  // If there were room for everything.
  Verdict verdict_but_for_size(const Candidate& candidate) const;
  bool keeps_quality(const Candidate& candidate) const;
  bool is_possible(const Candidate& candidate) const;
  template <typename Visit>
  void for_each(const Visit& visit) const;

 private:
  // What is looked at, and read.
  struct View {
    const std::vector<LookChoice>& looks;
    double file_pixels;
    double text_rows;
  };
  View view_of(const Levers& levers) const;
  const LookChoice& look_of(const Levers& levers) const;
  double tokens_seen(const LookChoice& look, const Levers& levers) const;
  double media_ms(const LookChoice& look, const Levers& levers) const;
  double encode_ms(const LookChoice& look, const Levers& levers) const;
  double compress_ms(const LookChoice& look, const Levers& levers) const;
  double kept_tokens(const LookChoice& look, const Levers& levers) const;
  void think(const LookChoice& look, const Levers& levers, Candidate& candidate) const;
  double memory_bytes(const LookChoice& look, const Levers& levers, const Candidate& candidate,
                      const DecoderLoad& prompt) const;
  void add_up(Candidate& candidate) const;
  void think_all(const LookChoice& look, Levers levers, std::vector<Candidate>& thoughts) const;
  template <typename Visit>
  void visit_look(const Levers& look_levers, double encode, double kept_by_looking, std::vector<Candidate>& thoughts,
                  const Visit& visit) const;
  template <typename Visit>
  void visit_pictures(double pictures, const Visit& visit) const;
  bool is_between_options(const Levers& levers) const;
  double share_kept(Lever lever, double value) const { return 1 - expected_loss(quality_, lever, value); }

  const Planner& planner_;
  const CostModel& costs_;
  const ClassQuality& quality_;
  const bool is_calibrated_;
  const PlanRequest& request_;
  const PlanFacts& facts_;
  const double p95_factor_;
  size_t num_certified_ = 0;  // rungs, where a floor was asked for
  // Of quality, by the options of kKeep and kLayers.
  std::vector<double> kept_by_tokens_;
  std::vector<double> kept_by_layers_;
};

Planner::Search::View Planner::Search::view_of(const Levers& levers) const {
  const auto instead = facts_.instead.find(levers[Lever::kPictures]);
  if (instead == facts_.instead.end()) return {facts_.looks, facts_.file_pixels, facts_.text_rows};
  return {instead->second.looks, instead->second.file_pixels, instead->second.text_rows};
}

// The coarsest that is no coarser than asked.
const LookChoice& Planner::Search::look_of(const Levers& levers) const {
  static constexpr LookChoice kNoPicture = {};
  const std::vector<LookChoice>& looks = view_of(levers).looks;
  const double scale = levers[Lever::kScale];
  const LookChoice* found = looks.empty() ? &kNoPicture : &looks.front();
  for (const LookChoice& look : looks) {
    if (look.scale >= scale - 1e-9 && look.scale <= found->scale) found = &look;
  }
  return *found;
}

double Planner::Search::tokens_seen(const LookChoice& look, const Levers& levers) const {
  if (has_passed(facts_, Checkpoint::kEncode) && facts_.visual_tokens >= 0) return facts_.visual_tokens;
  if (const EncodedLook* encoded = request_.encoded_by(levers)) return encoded->tokens;
  return look.tokens * facts_.share_seen[static_cast<size_t>(levers[Lever::kSkip])];
}

double Planner::Search::media_ms(const LookChoice& look, const Levers& levers) const {
  if (look.tokens <= 0 || has_passed(facts_, Checkpoint::kEncode) || request_.encoded_by(levers) != nullptr) return 0;
  if (has_passed(facts_, Checkpoint::kMedia)) {
    if (look.scale == facts_.resized_scale) return 0;
    return costs_.corrected_ms(CostStage::kMedia, costs_.resize_ms(view_of(levers).file_pixels, look.resized_pixels));
  }
  return costs_.corrected_ms(CostStage::kMedia, costs_.media_ms(view_of(levers).file_pixels, look.resized_pixels));
}

double Planner::Search::encode_ms(const LookChoice& look, const Levers& levers) const {
  if (has_passed(facts_, Checkpoint::kEncode) || look.tokens <= 0) return 0;
  if (request_.encoded_by(levers) != nullptr) return 0;
  const double share = facts_.share_seen[static_cast<size_t>(levers[Lever::kSkip])];
  const double layers = running_layers(levers[Lever::kEncoderLayers], costs_.shape().tower->num_layers);
  return costs_.corrected_ms(CostStage::kEncode,
                             costs_.encode_ms({look.patches * share, look.tiles, look.tokens * share, layers}));
}

double Planner::Search::kept_tokens(const LookChoice& look, const Levers& levers) const {
  const double seen = tokens_seen(look, levers);
  if (levers[Lever::kKeep] >= 1) return seen;
  return std::min(seen, std::max(1.0, std::round(levers[Lever::kKeep] * look.tokens)));
}

double Planner::Search::compress_ms(const LookChoice& look, const Levers& levers) const {
  const bool is_done = has_passed(facts_, Checkpoint::kPrefill) || look.tokens <= 0;
  if (is_done || levers[Lever::kKeep] >= 1) return 0;
  return costs_.corrected_ms(CostStage::kCompress,
                             costs_.compress_ms(tokens_seen(look, levers), kept_tokens(look, levers)));
}

// With what the decoder is given.
double Planner::Search::memory_bytes(const LookChoice& look, const Levers& levers, const Candidate& candidate,
                                     const DecoderLoad& prompt) const {
  MemoryLoad load;
  if (look.tokens > 0 && !has_passed(facts_, Checkpoint::kEncode)) {
    const double share = facts_.share_seen[static_cast<size_t>(levers[Lever::kSkip])];
    load.file_pixels = look.decoded_pixels;
    load.resized_pixels = look.resized_pixels;
    load.encoded_tokens = tokens_seen(look, levers);
    load.patches = share * look.largest_patches;
    load.tiles = look.largest_tiles;
    load.tokens_vary = levers[Lever::kKeep] < 1;
  }
  load.visual_tokens = prompt.visual_rows;
  load.new_rows = prompt.text_rows + prompt.visual_rows;
  load.kept_rows = std::min(candidate.prompt_rows + facts_.max_tokens, facts_.context_rows);
  load.kept_layers = prompt.layers + prompt.frozen_layers;
  return memory_of(costs_.shape(), load).peak(facts_.cache_bytes);
}

// What the decoder takes for candidate.visual_tokens.
void Planner::Search::think(const LookChoice& look, const Levers& levers, Candidate& candidate) const {
  const auto through_layers = [&](const DecoderLoad& load) {
    return with_layers(load, costs_.shape().decoder, levers[Lever::kLayers], facts_.freezes_visual);
  };
  const PastRows past = facts_.past.layers == levers[Lever::kLayers] ? facts_.past : PastRows();
  const DecoderLoad prompt = through_layers({.text_rows = view_of(levers).text_rows - past.text,
                                             .visual_rows = candidate.visual_tokens - past.visual,
                                             .past_rows = past.text + past.visual});
  candidate.prompt_rows = view_of(levers).text_rows + candidate.visual_tokens;
  candidate.memory_bytes = memory_bytes(look, levers, candidate, prompt);
  candidate.stages_ms[static_cast<size_t>(CostStage::kPrefill)] =
      has_passed(facts_, Checkpoint::kPrefill) ? 0
                                               : costs_.corrected_ms(CostStage::kPrefill, costs_.decoder_ms(prompt));
  DecoderLoad token = {.text_rows = 1};
  token.past_rows = view_of(levers).text_rows + candidate.visual_tokens + facts_.expected_tokens / 2;
  candidate.stages_ms[static_cast<size_t>(CostStage::kDecode)] =
      costs_.corrected_ms(CostStage::kDecode, costs_.decoder_ms(through_layers(token)));
}

void Planner::Search::add_up(Candidate& candidate) const {
  const double token_ms = candidate.stages_ms[static_cast<size_t>(CostStage::kDecode)];
  const double before_ms = facts_.pace * sum_before_decoding(candidate.stages_ms);
  const double after_first = std::max(0.0, facts_.expected_tokens - 1) * token_ms * facts_.pace;
  const double after_first_p95 = std::max(0.0, facts_.p95_tokens - 1) * token_ms * facts_.pace;
  candidate.ttft_ms = facts_.elapsed_ms + before_ms;
  candidate.ttft_p95_ms = facts_.elapsed_ms + before_ms * p95_factor_;
  candidate.latency_ms = candidate.ttft_ms + after_first;
  candidate.latency_p95_ms = facts_.elapsed_ms + (before_ms + after_first_p95) * p95_factor_;
  candidate.cost_usd = cost_usd(request_.price, {.text_tokens = view_of(candidate.levers).text_rows,
                                                 .image_tokens = candidate.visual_tokens,
                                                 .output_tokens = facts_.expected_tokens,
                                                 .device_ms = candidate.latency_ms - facts_.waited_ms});
  const double device_s = candidate.latency_p95_ms / 1e3;
  const Weights& weights = request_.weights;
  // Those that are queued behind the request wait for it, too.
  const double usd_per_second = weights.usd_per_device_second +
                                weights.usd_per_waiting_second * static_cast<double>(1 + request_.budget.num_queued);
  // A floor says what is enough: above it, quality is worth nothing more.
  const double usd_per_error = request_.budget.min_quality ? 0 : weights.usd_per_error;
  candidate.objective = usd_per_second * device_s + usd_per_error * candidate.loss;
}

Candidate Planner::Search::evaluate(const Levers& levers) const {
  Candidate candidate;
  candidate.levers = levers;
  const LookChoice& look = look_of(levers);
  candidate.stages_ms[static_cast<size_t>(CostStage::kMedia)] = media_ms(look, levers);
  candidate.stages_ms[static_cast<size_t>(CostStage::kEncode)] = encode_ms(look, levers);
  candidate.stages_ms[static_cast<size_t>(CostStage::kCompress)] = compress_ms(look, levers);
  candidate.visual_tokens = facts_.past.visual + kept_tokens(look, levers);
  candidate.loss = expected_loss(quality_, levers);
  think(look, levers, candidate);
  add_up(candidate);
  return candidate;
}

Candidate Planner::Search::evaluate_going_on() const {
  PlanRequest rest = request_;
  rest.facts = request_.facts_going_on();
  Candidate candidate = Search(planner_, rest).evaluate(request_.going_on->levers);
  candidate.goes_on = true;
  return candidate;
}

Candidate Planner::Search::evaluate_full() const {
  const Levers full = full_of(request_.options);
  return request_.going_on && request_.going_on->levers == full ? evaluate_going_on() : evaluate(full);
}

bool Planner::Search::keeps_quality(const Candidate& candidate) const {
  if (!request_.budget.min_quality) return true;
  if (!is_measured(request_, candidate.levers)) return *request_.budget.min_quality <= 0;
  if (candidate.levers.is_full()) return true;
  if (!is_calibrated_) return candidate.loss <= 1 - *request_.budget.min_quality + 1e-12;
  const auto end = quality_.ladder.begin() + static_cast<std::ptrdiff_t>(num_certified_);
  return std::find_if(quality_.ladder.begin(), end,
                      [&](const LadderRung& rung) { return rung.levers == candidate.levers; }) != end;
}

// The first token takes the last row.
bool Planner::Search::is_possible(const Candidate& candidate) const {
  return candidate.memory_bytes <= facts_.free_bytes && candidate.prompt_rows + 1 <= facts_.context_rows;
}

Verdict Planner::Search::verdict(const Candidate& candidate) const {
  const bool has_room = candidate.prompt_rows + facts_.expected_tokens <= facts_.context_rows;
  return is_possible(candidate) && has_room ? verdict_but_for_size(candidate) : Verdict::kTooLarge;
}

Verdict Planner::Search::verdict_but_for_size(const Candidate& candidate) const {
  const Budget& budget = request_.budget;
  if (budget.max_latency_ms && candidate.latency_p95_ms > *budget.max_latency_ms) return Verdict::kTooSlow;
  if (candidate.latency_p95_ms - facts_.elapsed_ms > facts_.allotted_ms) return Verdict::kTooSlow;
  if (budget.max_ttft_ms && candidate.ttft_p95_ms > *budget.max_ttft_ms) return Verdict::kFirstTokenTooLate;
  if (budget.max_cost_usd && candidate.cost_usd > *budget.max_cost_usd) return Verdict::kTooDear;
  return keeps_quality(candidate) ? Verdict::kChosen : Verdict::kTooBad;
}

// One way to look: a setting of the levers before the decoder, but for how many tokens are kept.
template <typename Visit>
void Planner::Search::visit_look(const Levers& look_levers, double encode, double kept_by_looking,
                                 std::vector<Candidate>& thoughts, const Visit& visit) const {
  std::vector<const LadderRung*> rungs;  // that look like this
  for (const LadderRung& rung : quality_.ladder) {
    bool is_equal = true;
    for (const Lever lever : {Lever::kScale, Lever::kSkip, Lever::kEncoderLayers, Lever::kPictures}) {
      is_equal = is_equal && rung.levers[lever] == look_levers[lever];
    }
    if (is_equal) rungs.push_back(&rung);
  }
  const size_t num_layers = options_of(request_.options, Lever::kLayers).size();
  for (size_t i = 0; i < thoughts.size(); ++i) {
    Candidate& candidate = thoughts[i];
    candidate.levers[Lever::kEncoderLayers] = look_levers[Lever::kEncoderLayers];
    candidate.stages_ms[static_cast<size_t>(CostStage::kEncode)] = encode;
    candidate.loss = 1 - kept_by_looking * kept_by_tokens_[i / num_layers] * kept_by_layers_[i % num_layers];
    for (const LadderRung* rung : rungs) {
      if (rung->levers == candidate.levers) candidate.loss = rung->mean_loss;
    }
    add_up(candidate);
    visit(candidate);
  }
}

// What the decoder takes for each number of tokens and layers, whichever layers the encoder runs.
void Planner::Search::think_all(const LookChoice& look, Levers levers, std::vector<Candidate>& thoughts) const {
  size_t i = 0;
  const double media = media_ms(look, levers);
  for (const double keep : options_of(request_.options, Lever::kKeep)) {
    levers[Lever::kKeep] = keep;
    const double compress = compress_ms(look, levers);
    const double tokens = kept_tokens(look, levers);
    for (const double layers : options_of(request_.options, Lever::kLayers)) {
      levers[Lever::kLayers] = layers;
      Candidate& thought = thoughts[i++];
      thought.levers = levers;
      thought.visual_tokens = tokens;
      thought.stages_ms[static_cast<size_t>(CostStage::kMedia)] = media;
      thought.stages_ms[static_cast<size_t>(CostStage::kCompress)] = compress;
      think(look, levers, thought);
    }
  }
}

template <typename Visit>
void Planner::Search::for_each(const Visit& visit) const {
  for (const double pictures : options_of(request_.options, Lever::kPictures)) visit_pictures(pictures, visit);
  for (const LadderRung& rung : quality_.ladder) {
    if (is_between_options(rung.levers)) visit(evaluate(rung.levers));
  }
  if (request_.going_on) visit(evaluate_going_on());
}

// All ways to look at what a setting of Lever::kPictures leaves to be looked at, and to think about it.
template <typename Visit>
void Planner::Search::visit_pictures(double pictures, const Visit& visit) const {
  std::vector<Candidate> thoughts(kept_by_tokens_.size() * kept_by_layers_.size());
  Levers levers;
  levers[Lever::kPictures] = pictures;
  if (view_of(levers).looks.empty()) {
    for (const double layers : options_of(request_.options, Lever::kLayers)) {
      levers[Lever::kLayers] = layers;
      visit(evaluate(levers));
    }
    return;
  }
  for (const double scale : options_of(request_.options, Lever::kScale)) {
    levers[Lever::kScale] = scale;
    const LookChoice& look = look_of(levers);
    for (const double skip : options_of(request_.options, Lever::kSkip)) {
      levers[Lever::kSkip] = skip;
      think_all(look, levers, thoughts);
      for (const double encoder_layers : options_of(request_.options, Lever::kEncoderLayers)) {
        levers[Lever::kEncoderLayers] = encoder_layers;
        const double kept = share_kept(Lever::kPictures, pictures) * share_kept(Lever::kScale, scale) *
                            share_kept(Lever::kSkip, skip) * share_kept(Lever::kEncoderLayers, encoder_layers);
        visit_look(levers, encode_ms(look, levers), kept, thoughts, visit);
      }
    }
  }
}

// Not one of the combined options, and no lever set to what is beyond them.
bool Planner::Search::is_between_options(const Levers& levers) const {
  bool is_option = true;
  for (size_t i = 0; i < kNumLevers; ++i) {
    const std::vector<double>& options = request_.options[i];
    const auto [least, most] = std::ranges::minmax(options);
    if (levers.values[i] < least || levers.values[i] > most) return false;
    is_option = is_option && std::ranges::find(options, levers.values[i]) != options.end();
  }
  return !is_option;
}

PlanChoice Planner::choose(const PlanRequest& request) const {
  const Search search(*this, request);
  PlanChoice choice;
  std::optional<Candidate> best;       // keeps all that was asked
  std::optional<Candidate> least_bad;  // keeps time and money
  std::optional<Candidate> fastest;    // of those that there is room for and that keep money, or of all
  const auto rank = [&](const Candidate& candidate, bool is_large, bool is_dear) {
    return std::tuple(!search.is_possible(candidate), is_large, is_dear, candidate.latency_p95_ms);
  };
  decltype(rank(Candidate(), false, false)) fastest_rank;
  search.for_each([&](const Candidate& candidate) {
    ++choice.num_compared;
    const Verdict verdict = search.verdict(candidate);
    if (verdict == Verdict::kChosen && (!best || candidate.objective < best->objective)) best = candidate;
    const bool is_large = verdict == Verdict::kTooLarge;
    const Verdict other_verdict = is_large ? search.verdict_but_for_size(candidate) : verdict;
    if (is_large && other_verdict == Verdict::kChosen &&
        (!choice.crowded_out || candidate.objective < choice.crowded_out->objective)) {
      choice.crowded_out = candidate;
    }
    if (best) return;
    if (verdict == Verdict::kTooBad && (!least_bad || is_less_bad(candidate, *least_bad))) least_bad = candidate;
    const auto its_rank = rank(candidate, is_large, other_verdict == Verdict::kTooDear);
    if (!fastest || its_rank < fastest_rank) {
      fastest = candidate;
      fastest_rank = its_rank;
    }
  });
  if (best && choice.crowded_out && best->objective <= choice.crowded_out->objective) choice.crowded_out.reset();
  choice.full = search.evaluate_full();
  choice.chosen = best ? *best : least_bad ? *least_bad : *fastest;
  choice.fits = best || least_bad;
  choice.keeps_quality = best || search.keeps_quality(choice.chosen);
  choice.is_possible = search.is_possible(choice.chosen);
  if (!best) choice.shortfall = shortfall_of(request, choice);
  choice.claim = claim_of(request, choice.chosen);
  return choice;
}

// What was asked and can't be kept, with what the best plan comes to.
std::string Planner::shortfall_of(const PlanRequest& request, const PlanChoice& choice) const {
  const Budget& budget = request.budget;
  const Candidate& best = choice.chosen;
  std::vector<std::string> parts;
  if (verdict(request, best) == Verdict::kTooLarge) {
    parts.push_back("an answer: the cheapest plan " + size_text(request.facts, best));
  }
  if (budget.max_latency_ms && best.latency_p95_ms > *budget.max_latency_ms) {
    parts.push_back(format("an answer within %.4g ms: the fastest plan takes %.4g ms (%.4g in one case of twenty)",
                           *budget.max_latency_ms, best.latency_ms, best.latency_p95_ms));
  }
  if (budget.max_ttft_ms && best.ttft_p95_ms > *budget.max_ttft_ms) {
    parts.push_back(format("a first token within %.4g ms: the fastest plan takes %.4g ms (%.4g in one case of twenty)",
                           *budget.max_ttft_ms, best.ttft_ms, best.ttft_p95_ms));
  }
  if (budget.max_cost_usd && best.cost_usd > *budget.max_cost_usd) {
    parts.push_back(format("a cost of %.4g usd: the cheapest comes to %.4g usd", *budget.max_cost_usd, best.cost_usd));
  }
  if (!choice.keeps_quality && !is_measured(request, best.levers)) {
    parts.push_back(
        format("a quality of %.4g: what the request's own plan leaves out was not measured", *budget.min_quality));
  } else if (!choice.keeps_quality) {
    parts.push_back(format("a quality of %.4g: the best that fits the time and the money is expected to keep %.4g",
                           *budget.min_quality, 1 - best.loss));
  }
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "cannot promise " : "; nor ") + part;
  if (choice.crowded_out) text += "; a plan that would " + size_text(request.facts, *choice.crowded_out);
  return text;
}

QualityClaim Planner::claim_of(const PlanRequest& request, const Candidate& candidate) const {
  QualityClaim claim;
  if (!is_measured(request, candidate.levers)) {
    claim.kind = QualityClaim::Kind::kPrior;
    claim.task_class = request.task_class;
    claim.epsilon = 1;
    return claim;
  }
  if (candidate.levers.is_full()) return claim;
  const bool has_class = quality_.classes.contains(request.task_class);
  claim.task_class = has_class ? request.task_class : kAnyClass;
  claim.kind = quality_.is_calibrated ? QualityClaim::Kind::kMeasured : QualityClaim::Kind::kPrior;
  claim.epsilon = candidate.loss;
  const std::vector<LadderRung>& ladder = quality_.of(request.task_class).ladder;
  for (size_t i = 0; quality_.is_calibrated && i < ladder.size(); ++i) {
    if (ladder[i].levers != candidate.levers) continue;
    // The floor that was asked for, or the least that holds.
    const double asked = request.budget.min_quality ? 1 - *request.budget.min_quality : 1;
    const bool is_kept = certified_rungs(ladder, asked, quality_.delta) > i;
    claim.epsilon = request.budget.min_quality && is_kept ? asked : least_epsilon(ladder, i + 1, quality_.delta);
    claim.kind = QualityClaim::Kind::kCertified;
    claim.delta = quality_.delta;
    claim.num_questions = ladder[i].num_questions;
  }
  return claim;
}

Candidate Planner::evaluate(const PlanRequest& request, const Levers& levers) const {
  return Search(*this, request).evaluate(levers);
}

std::vector<Candidate> Planner::fitting_rungs(const PlanRequest& request) const {
  const Search search(*this, request);
  std::vector<Candidate> fitting;
  for (const LadderRung& rung : quality_.of(request.task_class).ladder) {
    bool is_option = true;
    for (size_t i = 0; i < kNumLevers; ++i) {
      is_option = is_option && std::ranges::find(request.options[i], rung.levers.values[i]) != request.options[i].end();
    }
    if (!is_option) continue;
    const Candidate candidate = search.evaluate(rung.levers);
    if (search.verdict(candidate) == Verdict::kChosen) fitting.push_back(candidate);
  }
  return fitting;
}

Verdict Planner::verdict(const PlanRequest& request, const Candidate& candidate) const {
  return Search(*this, request).verdict(candidate);
}

void Planner::for_each_fitting(const PlanRequest& request, const std::function<void(const Candidate&)>& visit) const {
  const Search search(*this, request);
  search.for_each([&](const Candidate& candidate) {
    if (search.verdict(candidate) == Verdict::kChosen) visit(candidate);
  });
}

void Planner::for_each(const PlanRequest& request, const std::function<void(const Candidate&)>& visit) const {
  Search(*this, request).for_each(visit);
}

}  // namespace saccade
