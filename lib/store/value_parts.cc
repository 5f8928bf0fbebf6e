#include "lib/store/value_parts.h"

#include <limits>

namespace dmarcate {
namespace {

constexpr size_t kRepairBytes = 5;  // at least: a flag and four lengths

}  // namespace

void WriteTexts(const std::vector<std::string>& texts, WireWriter& out) {
  out.Varint(texts.size());
  for (const std::string& text : texts) out.String(text);
}

std::vector<std::string> ReadTexts(WireReader& in) {
  std::vector<std::string> texts(in.Length(1));
  for (std::string& text : texts) text = in.String();
  return texts;
}

void WriteRepairs(const std::vector<Repair>& repairs, WireWriter& out) {
  out.Varint(repairs.size());
  for (const Repair& repair : repairs) {
    out.Byte(repair.material ? 1 : 0);
    out.String(repair.code);
    out.String(repair.path);
    out.String(repair.raw);
    out.String(repair.chosen);
  }
}

std::vector<Repair> ReadRepairs(WireReader& in) {
  std::vector<Repair> repairs(in.Length(kRepairBytes));
  for (Repair& repair : repairs) {
    repair.material = in.Byte() != 0;
    repair.code = in.String();
    repair.path = in.String();
    repair.raw = in.String();
    repair.chosen = in.String();
  }
  return repairs;
}

void WriteOwnText(std::string_view own, std::string_view text, WireWriter& out) {
  out.Byte(text == own ? 1 : 0);
  if (text != own) out.String(text);
}

std::string ReadOwnText(std::string_view own, WireReader& in) {
  return std::string(in.Byte() == 1 ? own : in.String());
}

void WriteSeconds(absl::Time time, WireWriter& out) { out.Zigzag(absl::ToUnixSeconds(time)); }

absl::Time ReadSeconds(WireReader& in) {
  const int64_t seconds = in.Zigzag();
  if (seconds == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  if (seconds == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  return absl::FromUnixSeconds(seconds);
}

}  // namespace dmarcate
