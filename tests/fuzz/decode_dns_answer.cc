// Whatever a server sends, an answer keeps its promises: one kind of records, an alias chain within
// its limit, TXT strings that a record can hold and that survive presentation. And octets in which
// our question does not stand are never taken for its reply.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/dns/alias.h"
#include "lib/dns/message.h"

namespace {

void Check(const dmarcate::Response& response, dmarcate::RrType type) {
  const dmarcate::DnsAnswer& answer = response.answer;
  if (answer.type != type || answer.cname_chain.size() > dmarcate::kMaxAliases) std::abort();
  const int lists = !answer.txt.empty() + !answer.texts.empty() + !answer.mx.empty();
  if (lists != (answer.outcome == dmarcate::DnsOutcome::kRecords ? 1 : 0)) std::abort();
  if (response.alias_unresolved && (lists != 0 || answer.cname_chain.empty())) std::abort();
  for (const dmarcate::TxtRecord& record : answer.txt) {
    const auto again = dmarcate::ParseTxtPresentation(record.ToPresentation());
    if (!again.ok() || *again != record) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dmarcate::RrType;
  static const dmarcate::DomainName name = *dmarcate::DomainName::Parse("_dmarc.example.test");
  static const std::string query = dmarcate::BuildQuery(name, RrType::kTxt, {}, 0x1234);
  const std::string_view reply(reinterpret_cast<const char*>(data), size);
  for (const RrType type : {RrType::kTxt, RrType::kMx, RrType::kA, RrType::kCname, RrType::kSoa,
                            RrType::kTlsa, RrType::kDnskey}) {
    const auto response = dmarcate::DecodeResponse(reply, name, type);
    if (response.ok()) Check(*response, type);
  }
  if (dmarcate::IsReplyTo(query, reply) &&
      (reply.size() < 36 || reply.substr(0, 2) != std::string_view("\x12\x34", 2) ||
       (reply[2] & 0xF8) != 0x80)) {
    std::abort();
  }
  return 0;
}
