// What a host's spelling of a TXT text decodes to is a record that DNS can hold, and where the form
// can say it, it is encoded and decoded to the same text again. The first octet chooses the form.

#include "policyd/provider/api/txt_codec.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto form = static_cast<dmarcate::TxtForm>(data[0] % 5);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto first = dmarcate::DecodeTxt(form, text);
  if (first.ok()) {
    if (first->strings.empty()) std::abort();
    for (const std::string& string : first->strings) {
      if (string.size() > 255) std::abort();
    }
    const auto written = dmarcate::EncodeTxt(form, *first);
    const bool quoted = form != dmarcate::TxtForm::kRaw && form != dmarcate::TxtForm::kOnePair;
    if (quoted && !written.ok()) std::abort();
    if (written.ok()) {
      const auto second = dmarcate::DecodeTxt(form, *written);
      if (!second.ok() || second->Joined() != first->Joined()) std::abort();
      if (quoted && *second != *first) std::abort();
    }
  }
  const dmarcate::TxtRecord record = dmarcate::MakeTxtRecord(text);
  if (const auto strings = dmarcate::EncodeTxtStrings(record); strings.ok()) {
    const auto back = dmarcate::DecodeTxtStrings(*strings);
    if (text.empty() ? back.ok() && !back->Joined().empty()
                     : !back.ok() || back->Joined() != text) {
      std::abort();
    }
  }
  return 0;
}
