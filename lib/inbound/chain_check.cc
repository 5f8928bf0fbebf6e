#include "lib/inbound/chain_check.h"

#include <string>

#include "lib/base/status_macros.h"
#include "lib/inbound/dane.h"

namespace dmarcate {
namespace {

class Checker {
 public:
  Checker(const std::vector<DomainName>& dane_names, const TrustStore& trust, absl::Time now,
          const std::function<absl::Status()>& go_on, MailServerPosture& server)
      : dane_names_(dane_names), trust_(trust), now_(now), go_on_(go_on), server_(server) {}

  void Run() {
    for (const SeenTlsa& one : server_.dane.records) records_.push_back(one.record);
    const std::vector<bool> counted = CountedTlsa(records_);
    for (size_t i = 0; i < records_.size(); ++i) {
      SeenTlsa& one = server_.dane.records[i];
      one.usable = records_[i].Usability() == TlsaUsability::kUsable;
      one.outranked = one.usable && !counted[i];
    }
    for (ProbedAddress& seen : server_.probes) {
      if (seen.probe.chain.empty()) continue;
      if (const absl::Status why = CheckOne(seen); !why.ok()) {
        seen.problems.not_verified = std::string(MessageOf(why));
        seen.dane_error = why;
      }
    }
  }

 private:
  // What is left to do for `seen` is not done for the reason that is returned.
  absl::Status CheckOne(ProbedAddress& seen) {
    DMARCATE_RETURN_IF_ERROR(go_on_());
    const CertificateChain chain(seen.probe.chain);
    seen.certificates = chain.Describe();
    DMARCATE_RETURN_IF_ERROR(go_on_());
    seen.problems = VerifyChain(chain, server_.host, trust_, now_);
    if (records_.empty()) return absl::OkStatus();
    seen.dane_error = go_on_();
    if (!seen.dane_error.ok()) return absl::OkStatus();
    const auto match = MatchTlsa(records_, chain, dane_names_, now_);
    seen.dane_error = match.status();
    if (!match.ok()) return absl::OkStatus();
    seen.dane_matches = match->set;
    for (size_t i = 0; i < records_.size(); ++i) {
      if (match->records[i]) server_.dane.records[i].matches = true;
    }
    return absl::OkStatus();
  }

  const std::vector<DomainName>& dane_names_;
  const TrustStore& trust_;
  const absl::Time now_;
  const std::function<absl::Status()>& go_on_;
  MailServerPosture& server_;
  std::vector<TlsaRecord> records_;
};

}  // namespace

void CheckChains(const std::vector<DomainName>& dane_names, const TrustStore& trust, absl::Time now,
                 const std::function<absl::Status()>& go_on, MailServerPosture& server) {
  Checker(dane_names, trust, now, go_on, server).Run();
}

}  // namespace dmarcate
