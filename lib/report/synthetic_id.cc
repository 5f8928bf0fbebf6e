#include "lib/report/synthetic_id.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "lib/base/digest.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

std::string TextOf(const AggregateRecord& r) {
  std::string text =
      fmt::format("{}|{}|{}|{}|{}|{}|{}|{}", r.source_ip.has_value() ? r.source_ip->ToString() : "",
                  r.count, static_cast<int>(r.disposition), static_cast<int>(r.dkim_aligned),
                  static_cast<int>(r.spf_aligned), r.header_from, r.envelope_from.value_or("\n"),
                  r.envelope_to.value_or("\n"));
  for (const DkimAuth& d : r.dkim) {
    text +=
        fmt::format("|d {} {} {}", d.domain, d.selector.value_or("\n"), static_cast<int>(d.result));
  }
  for (const SpfAuth& s : r.spf) {
    text += fmt::format("|s {} {} {}", s.domain.value_or("\n"), static_cast<int>(s.scope),
                        static_cast<int>(s.result));
  }
  return text;
}

}  // namespace

void SyntheticId::Add(const std::vector<AggregateRecord>& records) {
  for (const AggregateRecord& record : records) {
    const std::string digest = Sha256(TextOf(record));
    std::ranges::copy(digest, records_.emplace_back().begin());
  }
}

std::string SyntheticId::Finish(const AggregateReport& report) {
  std::ranges::sort(records_);
  Sha256Stream digest;
  digest.Update(fmt::format("{}\n{}\n{}\n{}\n{}\n", report.metadata.org_name, report.metadata.email,
                            report.policy.domain, report.metadata.begin, report.metadata.end));
  for (const auto& record : records_) {
    digest.Update(std::string_view(record.data(), record.size()));
  }
  return "sha256:" + ToHex(digest.Finish());
}

}  // namespace dmarcate
