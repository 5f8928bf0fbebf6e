#include "lib/report/repair_log.h"

#include <fmt/format.h>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kRawBytes = 256;

// A replaced byte takes three, so what is valid may have to be cut once more.
std::string Stored(std::string_view text) {
  std::string valid = ToValidUtf8(CutUtf8(text, kRawBytes));
  valid.resize(CutUtf8(valid, kRawBytes).size());
  return valid;
}

}  // namespace

std::string_view CutUtf8(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  size_t end = bytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  // A long run of stray continuation bytes is no character: cut where told.
  return text.substr(0, bytes - end < 4 ? end : bytes);
}

void RepairLog::Add(std::string_view code, std::string_view path, std::string_view raw,
                    std::string_view chosen, Effect effect) {
  if (effect == Effect::kMaterial) material_ = true;
  if (std::ssize(repairs_) >= limit_) {
    ++dropped_;
    return;
  }
  Repair& repair = repairs_.emplace_back();
  repair.code = code;
  const std::string stored_path = Stored(path);
  repair.path = record_ == 0   ? stored_path
                : path.empty() ? fmt::format("record[{}]", record_)
                               : fmt::format("record[{}]/{}", record_, stored_path);
  repair.raw = Stored(raw);
  repair.chosen = Stored(chosen);
  repair.material = effect == Effect::kMaterial;
}

Outcome RepairLog::outcome() const {
  if (material_) return Outcome::kAcceptedMaterial;
  return repairs_.empty() && dropped_ == 0 ? Outcome::kAccepted : Outcome::kAcceptedCosmetic;
}

}  // namespace dmarcate
