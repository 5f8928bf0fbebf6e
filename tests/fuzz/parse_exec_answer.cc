// An answer of a program of type exec. What is taken for a set can be sent back and read as the
// same set; an answer to one question is none to another.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "policyd/provider/exec/exec_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view answer(reinterpret_cast<const char*>(data), size);
  const auto rrset = dmarcate::ParseExecRrSet(answer);
  const auto zones = dmarcate::ParseExecZones(answer);
  const auto test = dmarcate::ParseExecTest(answer);
  const bool written = dmarcate::ParseExecWritten(answer).ok();
  if (int{rrset.ok()} + int{zones.ok()} + int{written} > 1) std::abort();
  if (test.ok() && rrset.ok()) std::abort();
  if (!rrset.ok()) return 0;
  if (rrset->records.empty() != (rrset->ttl_seconds == 0) && rrset->records.empty()) std::abort();
  nlohmann::json records = nlohmann::json::array();
  for (const dmarcate::TxtRecord& record : rrset->records) {
    records.push_back(record.ToPresentation());
  }
  nlohmann::json result = {{"records", records}};
  if (!rrset->records.empty()) result["ttl"] = rrset->ttl_seconds;
  const auto again =
      dmarcate::ParseExecRrSet(nlohmann::json{{"version", 1}, {"result", result}}.dump());
  if (!again.ok() || again->records != rrset->records || again->ttl_seconds != rrset->ttl_seconds) {
    std::abort();
  }
  return 0;
}
