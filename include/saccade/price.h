// What computing costs in money.
#pragma once

namespace saccade {

/// Of one model. All parts add up; those that are 0 cost nothing.
struct Price {
  // For a million tokens: of the prompt by what they come from, and of the answer.
  double text_usd = 0;
  double image_usd = 0;
  double audio_usd = 0;
  double video_usd = 0;
  double output_usd = 0;
  double device_second_usd = 0;  // for a second in which the machine worked for the request
};

/// What one request takes, or would take.
struct BilledWork {
  double text_tokens = 0;
  double image_tokens = 0;  // that the decoder is given
  double audio_tokens = 0;
  double video_tokens = 0;
  double output_tokens = 0;
  double device_ms = 0;
};

inline double cost_usd(const Price& price, const BilledWork& work) {
  const double of_tokens = price.text_usd * work.text_tokens + price.image_usd * work.image_tokens +
                           price.audio_usd * work.audio_tokens + price.video_usd * work.video_tokens +
                           price.output_usd * work.output_tokens;
  return of_tokens / 1e6 + price.device_second_usd * work.device_ms / 1e3;
}

}  // namespace saccade
