// What computing costs in money.
#pragma once

namespace saccade {

/// By the token, by the second of the device, or both, added up.
struct Price {
  double text_usd_per_million = 0;    // prompt tokens that are text
  double visual_usd_per_million = 0;  // prompt tokens that pictures became, as the decoder is given them
  double output_usd_per_million = 0;
  double usd_per_device_second = 0;
};

struct PricedWork {
  double text_tokens = 0;
  double visual_tokens = 0;
  double output_tokens = 0;
  double device_ms = 0;
};

inline double cost_usd(const Price& price, const PricedWork& work) {
  return (price.text_usd_per_million * work.text_tokens + price.visual_usd_per_million * work.visual_tokens +
          price.output_usd_per_million * work.output_tokens) /
             1e6 +
         price.usd_per_device_second * work.device_ms / 1e3;
}

}  // namespace saccade
