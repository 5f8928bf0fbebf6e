#include "lib/dns/update_message.h"

#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "lib/base/freer.h"
#include "lib/base/status_macros.h"
#include "lib/dns/message.h"
#include "lib/dns/wire_name.h"

// clang-format off: last, it turns bool, true and false into macros
#include <ldns/ldns.h>
// clang-format on

namespace dmarcate {
namespace {

using LdnsPacket = std::unique_ptr<ldns_pkt, Freer<ldns_pkt_free>>;
using LdnsRr = std::unique_ptr<ldns_rr, Freer<ldns_rr_free>>;
using LdnsRrs = std::unique_ptr<ldns_rr_list, Freer<ldns_rr_list_deep_free>>;
using LdnsRdf = std::unique_ptr<ldns_rdf, Freer<ldns_rdf_deep_free>>;

constexpr std::string_view kNobodysText = "dmarcate: a test of rights, never published";

template <typename T>
T* OrThrow(T* p) {
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

LdnsRdf NameRdf(const DomainName& name) {
  const std::string wire = EncodeWireName(name);
  return LdnsRdf(OrThrow(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, wire.size(), wire.data())));
}

// An RR without RDATA: what it means is in class and section.
LdnsRr EmptyRr(const DomainName& owner, ldns_rr_type type, ldns_rr_class rr_class,
               uint32_t ttl_seconds) {
  LdnsRr rr(OrThrow(ldns_rr_new()));
  ldns_rr_set_owner(rr.get(), NameRdf(owner).release());
  ldns_rr_set_type(rr.get(), type);
  ldns_rr_set_class(rr.get(), rr_class);
  ldns_rr_set_ttl(rr.get(), ttl_seconds);
  ldns_rr_set_rd_count(rr.get(), 0);
  return rr;
}

LdnsRr EmptyTxt(const DomainName& owner, ldns_rr_class rr_class, uint32_t ttl_seconds) {
  return EmptyRr(owner, LDNS_RR_TYPE_TXT, rr_class, ttl_seconds);
}

LdnsRr FullTxt(const DomainName& owner, const TxtRecord& record, uint32_t ttl_seconds) {
  LdnsRr rr = EmptyTxt(owner, LDNS_RR_CLASS_IN, ttl_seconds);
  for (const std::string& string : record.strings) {
    const std::string octets = static_cast<char>(string.size()) + string;
    ldns_rr_push_rdf(
        rr.get(), OrThrow(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_STR, octets.size(), octets.data())));
  }
  return rr;
}

void Push(const LdnsRrs& list, LdnsRr rr) {
  if (!ldns_rr_list_push_rr(list.get(), rr.get())) throw std::bad_alloc();
  static_cast<void>(rr.release());  // the list owns it
}

absl::Status CheckRecords(const std::vector<TxtRecord>& records, size_t& bytes) {
  for (const TxtRecord& record : records) {
    bytes += 16;  // a compressed name and the fixed fields
    if (record.strings.empty()) {
      return MakeError(absl::StatusCode::kInvalidArgument, "txt record without a string");
    }
    for (const std::string& string : record.strings) {
      bytes += string.size() + 1;
      if (string.size() > 255) {
        return MakeError(absl::StatusCode::kInvalidArgument, "txt string over 255 octets");
      }
    }
  }
  if (bytes > kMaxUpdateBytes) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("update over {} bytes", kMaxUpdateBytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<SignedMessage> Sign(const DomainName& zone, const LdnsRrs& prerequisites,
                                   const LdnsRrs& updates, const TsigKey& key, uint16_t id,
                                   absl::Time now) {
  const LdnsPacket packet(OrThrow(ldns_update_pkt_new(
      NameRdf(zone).release(), LDNS_RR_CLASS_IN, prerequisites.get(), updates.get(), nullptr)));
  ldns_pkt_set_id(packet.get(), id);
  ldns_pkt_set_rd(packet.get(), false);  // ldns sets it; here it is Z, which must be zero
  uint8_t* wire = nullptr;
  size_t size = 0;
  if (ldns_pkt2wire(&wire, packet.get(), &size) != LDNS_STATUS_OK) throw std::bad_alloc();
  const std::unique_ptr<uint8_t, Freer<std::free>> owned(wire);
  return SignMessage(std::string(reinterpret_cast<const char*>(wire), size), key, now);
}

// The one place where the rcode of an update becomes a status.
absl::Status RcodeStatus(int rcode, std::string_view remark) {
  const std::string message = fmt::format("update: {}{}", RcodeName(rcode), remark);
  switch (rcode) {
    case kRcodeNoError:
      return absl::OkStatus();
    case kRcodeNxDomain:
    case kRcodeYxDomain:
    case kRcodeYxRrSet:
    case kRcodeNxRrSet:
      return MakeError(absl::StatusCode::kAborted, message);
    case kRcodeRefused:
    case kRcodeNotAuth:
      return MakeError(absl::StatusCode::kPermissionDenied, message);
    case kRcodeNotZone:
      return MakeError(absl::StatusCode::kInvalidArgument, message);
    case kRcodeNotImp:
      return MakeError(absl::StatusCode::kFailedPrecondition, message);
    case kRcodeServFail:
      // Also what a secondary says that forwarded the update and lost the primary's reply (RFC
      // 2136 section 6.3).
      return MakeError(absl::StatusCode::kUnknown, message + ", outcome unknown");
    default:  // FORMERR and what nobody defined
      return MakeError(absl::StatusCode::kInternal, message);
  }
}

}  // namespace

absl::StatusOr<SignedMessage> BuildUpdate(const TxtRrSetUpdate& update, const TsigKey& key,
                                          uint16_t id, absl::Time now) {
  if (update.zone.IsRoot() || !update.owner.IsAtOrBelow(update.zone)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("{} is not in zone {}", update.owner.text(), update.zone.text()));
  }
  size_t bytes = 1024;  // header, zone, TSIG
  DMARCATE_RETURN_IF_ERROR(CheckRecords(update.before, bytes));
  DMARCATE_RETURN_IF_ERROR(CheckRecords(update.after, bytes));

  const LdnsRrs prerequisites(OrThrow(ldns_rr_list_new()));
  const LdnsRrs updates(OrThrow(ldns_rr_list_new()));
  if (update.before.empty()) {  // "RRset does not exist", RFC 2136 section 2.4.3
    Push(prerequisites, EmptyTxt(update.owner, LDNS_RR_CLASS_NONE, 0));
  } else {
    // "RRset exists (value dependent)", section 2.4.2: every member, TTL 0.
    for (const TxtRecord& record : update.before) {
      Push(prerequisites, FullTxt(update.owner, record, 0));
    }
    Push(updates, EmptyTxt(update.owner, LDNS_RR_CLASS_ANY, 0));  // delete the RRset, 2.5.2
  }
  for (const TxtRecord& record : update.after) {  // 2.5.1
    Push(updates, FullTxt(update.owner, record, update.ttl_seconds));
  }
  return Sign(update.zone, prerequisites, updates, key, id, now);
}

absl::StatusOr<SignedMessage> BuildEmptyUpdate(const DomainName& zone, const TsigKey& key,
                                               uint16_t id, absl::Time now) {
  const LdnsRrs nothing(OrThrow(ldns_rr_list_new()));
  return Sign(zone, nothing, nothing, key, id, now);
}

absl::StatusOr<SignedMessage> BuildRightsTest(const DomainName& zone, const DomainName& owner,
                                              RrType type, const TsigKey& key, uint16_t id,
                                              absl::Time now) {
  if (zone.IsRoot() || !owner.IsAtOrBelow(zone) || (type != RrType::kTxt && type != RrType::kA)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("rights at {} in zone {}", owner.text(), zone.text()));
  }
  const LdnsRrs prerequisites(OrThrow(ldns_rr_list_new()));
  Push(prerequisites, EmptyRr(zone, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_NONE, 0));  // 2.4.3
  // "Delete an RR from an RRset", 2.5.4.
  LdnsRr gone = EmptyRr(owner, type == RrType::kTxt ? LDNS_RR_TYPE_TXT : LDNS_RR_TYPE_A,
                        LDNS_RR_CLASS_NONE, 0);
  const std::string octets =
      type == RrType::kTxt ? static_cast<char>(kNobodysText.size()) + std::string(kNobodysText)
                           : std::string("\xC0\x00\x02\x01", 4);  // 192.0.2.1
  ldns_rr_push_rdf(gone.get(), OrThrow(ldns_rdf_new_frm_data(
                                   type == RrType::kTxt ? LDNS_RDF_TYPE_STR : LDNS_RDF_TYPE_A,
                                   octets.size(), octets.data())));
  const LdnsRrs updates(OrThrow(ldns_rr_list_new()));
  Push(updates, std::move(gone));
  return Sign(zone, prerequisites, updates, key, id, now);
}

bool IsReplyToUpdate(const SignedMessage& request, std::string_view reply) {
  constexpr size_t kHeaderBytes = 12;
  constexpr uint8_t kReplyOfUpdate = 0x80 | 5 << 3;  // QR and opcode 5
  return reply.size() >= kHeaderBytes && reply.substr(0, 2) == request.wire.substr(0, 2) &&
         (static_cast<uint8_t>(reply[2]) & 0xF8) == kReplyOfUpdate;
}

absl::Status InterpretUpdateReply(const SignedMessage& request, const TsigKey& key,
                                  std::string_view reply) {
  const TsigCheck tsig = CheckReply(request, key, reply);
  const int rcode = static_cast<uint8_t>(reply[3]) & 0x0F;
  if (tsig.vouched && tsig.error == kTsigBadTime) {
    const int64_t apart = tsig.server_time_seconds - absl::ToUnixSeconds(request.signed_at);
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("update: BADTIME: the server's clock is {} s from ours", apart));
  }
  if (tsig.vouched) {
    return RcodeStatus(rcode, rcode == kRcodeNotAuth
                                  ? " (it takes the key, and is not the primary of this zone)"
                                  : "");
  }
  // A server that does not know the key cannot sign its refusal. An attacker could send the same,
  // and gains no more by it than by sending nothing: before it writes again the caller reads.
  if (rcode == kRcodeNotAuth || rcode == kRcodeRefused) {
    return RcodeStatus(rcode, tsig.error == kTsigBadSig   ? " (BADSIG: wrong secret)"
                              : tsig.error == kTsigBadKey ? " (BADKEY: key or algorithm unknown)"
                                                          : " (unsigned answer)");
  }
  return MakeError(absl::StatusCode::kUnknown,
                   fmt::format("update: answer {} is not signed with our key, outcome unknown",
                               RcodeName(rcode)));
}

}  // namespace dmarcate
