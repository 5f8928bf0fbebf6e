// However a mail server's octets are cut, the probe says and learns the same in clear, within its
// limits; it never says more than a sender does; and what comes under TLS ends it without harm.

#include "lib/inbound/smtp_dialog.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/fuzz/cuts.h"

namespace {

struct Learned {
  dmarcate::SmtpProbe probe;
  std::string clear;  // what was said before TLS
};

Learned Run(std::string_view octets, dmarcate::fuzz::Cuts cuts) {
  dmarcate::SmtpDialog dialog(*dmarcate::DomainName::Parse("mx.example.com"), "[192.0.2.1]");
  Learned out;
  while (!octets.empty() && !dialog.done()) {
    dialog.Receive(cuts.Next(octets));
    const std::string said = dialog.TakeOutput();
    if (dialog.probe().stage < dmarcate::SmtpStage::kTls) out.clear += said;
  }
  dialog.EndOfStream();
  out.probe = dialog.probe();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const Learned whole = Run(octets, dmarcate::fuzz::Cuts::None());
  const Learned cut = Run(octets, dmarcate::fuzz::Cuts(size, 7));
  const dmarcate::SmtpProbe& probe = whole.probe;
  if (probe.reply.size() > dmarcate::kMaxSmtpReplyLine) std::abort();
  if (probe.chain.size() > dmarcate::kMaxChainCertificates) std::abort();
  if (probe.stage == dmarcate::SmtpStage::kDone) std::abort();  // nobody finishes TLS by chance
  if (probe.stage != cut.probe.stage || probe.reply != cut.probe.reply) std::abort();
  // What comes at once with the server's word is in clear for certain; by itself it may be TLS.
  if (cut.probe.clear_octets > probe.clear_octets) std::abort();
  if (probe.stage < dmarcate::SmtpStage::kTls) {
    if (whole.clear != cut.clear || probe.error.code() != cut.probe.error.code()) std::abort();
  }
  return 0;
}
