#include "lib/dns/message.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/freer.h"
#include "lib/base/ip_address.h"
#include "lib/base/random.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/dns/alias.h"
#include "lib/dns/wire_name.h"

// clang-format off: last, it turns bool, true and false into macros
#include <ldns/ldns.h>
// clang-format on

namespace dmarcate {
namespace {

using LdnsPacket = std::unique_ptr<ldns_pkt, Freer<ldns_pkt_free>>;
using CString = std::unique_ptr<char, Freer<std::free>>;

constexpr size_t kHeaderBytes = 12;
constexpr uint8_t kQr = 0x80;         // octet 2
constexpr uint8_t kOpcode = 0x78;     // octet 2
constexpr uint8_t kTruncated = 0x02;  // octet 2

uint8_t Octet(std::string_view message, size_t at) { return static_cast<uint8_t>(message[at]); }

std::string_view RdataOctets(const ldns_rdf* rdf) {
  return {reinterpret_cast<const char*>(ldns_rdf_data(rdf)), ldns_rdf_size(rdf)};
}

std::optional<DomainName> NameOf(const ldns_rdf* rdf) {
  if (rdf == nullptr || ldns_rdf_get_type(rdf) != LDNS_RDF_TYPE_DNAME) return std::nullopt;
  return DecodeWireName(RdataOctets(rdf));
}

std::optional<IpAddress> AddressOf(std::string_view octets) {
  if (octets.size() == 4) {
    return IpAddress::FromV4(uint32_t{Octet(octets, 0)} << 24 | uint32_t{Octet(octets, 1)} << 16 |
                             uint32_t{Octet(octets, 2)} << 8 | Octet(octets, 3));
  }
  std::array<uint8_t, 16> bytes{};
  if (octets.size() != bytes.size()) return std::nullopt;
  std::memcpy(bytes.data(), octets.data(), bytes.size());
  return IpAddress::FromBytes(bytes);
}

// Each rdf of a TXT is one string: its length octet, then its octets. Never through text: ldns
// escapes.
void AppendTxt(const ldns_rr* rr, std::vector<TxtRecord>& out) {
  TxtRecord record;
  for (size_t i = 0; i < ldns_rr_rd_count(rr); ++i) {
    const std::string_view octets = RdataOctets(ldns_rr_rdf(rr, i));
    if (octets.empty() || octets.size() != size_t{1} + Octet(octets, 0)) return;
    record.strings.emplace_back(octets.substr(1));
  }
  if (!record.strings.empty()) out.push_back(std::move(record));
}

void AppendPresentation(const ldns_rr* rr, std::vector<std::string>& out) {
  std::string text;
  for (size_t i = 0; i < ldns_rr_rd_count(rr); ++i) {
    const CString field(ldns_rdf2str(ldns_rr_rdf(rr, i)));
    if (!field) return;
    if (i > 0) text += ' ';
    text += field.get();
  }
  out.push_back(std::move(text));
}

void AppendRecord(const ldns_rr* rr, DnsAnswer& answer) {
  const size_t count = ldns_rr_rd_count(rr);
  if (count == 0) return;
  switch (answer.type) {
    case RrType::kTxt:
      AppendTxt(rr, answer.txt);
      return;
    case RrType::kA:
    case RrType::kAaaa:
      if (const auto address = AddressOf(RdataOctets(ldns_rr_rdf(rr, 0)))) {
        answer.texts.push_back(address->ToString());
      }
      return;
    case RrType::kNs:
    case RrType::kPtr:
    case RrType::kCname:
      if (const auto name = NameOf(ldns_rr_rdf(rr, 0))) answer.texts.push_back(name->text());
      return;
    case RrType::kMx:
      if (const auto name = count == 2 ? NameOf(ldns_rr_rdf(rr, 1)) : std::nullopt) {
        answer.mx.push_back({ldns_rdf2native_int16(ldns_rr_rdf(rr, 0)), *name});
      }
      return;
    case RrType::kSoa:
    case RrType::kDs:
    case RrType::kDnskey:
    case RrType::kTlsa:
      AppendPresentation(rr, answer.texts);
      return;
  }
}

struct Soa {
  uint32_t serial = 0;
  uint32_t negative_ttl_seconds = 0;  // RFC 2308 section 5
};

std::optional<Soa> ReadSoa(const ldns_rr* rr) {
  if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(rr) != 7) return std::nullopt;
  return Soa{ldns_rdf2native_int32(ldns_rr_rdf(rr, 2)),
             std::min(ldns_rr_ttl(rr), ldns_rdf2native_int32(ldns_rr_rdf(rr, 6)))};
}

std::optional<Soa> FindSoa(const ldns_rr_list* section) {
  for (size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
    if (auto soa = ReadSoa(ldns_rr_list_rr(section, i))) return soa;
  }
  return std::nullopt;
}

bool Owns(const DomainName& owner, const ldns_rr* rr) {
  if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN) return false;
  const auto name = NameOf(ldns_rr_owner(rr));
  return name && *name == owner;
}

// The owner, if it is above `name`.
std::optional<DomainName> OwnerAbove(const DomainName& name, const ldns_rr* rr) {
  if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN) return std::nullopt;
  auto owner = NameOf(ldns_rr_owner(rr));
  if (!owner || *owner == name || !name.IsAtOrBelow(*owner)) return std::nullopt;
  return owner;
}

// Takes the records of `owner` into `answer`; false if there are none. The smallest TTL of all
// counts.
bool TakeRecords(const ldns_rr_list* section, const DomainName& owner, uint32_t& ttl_seconds,
                 DnsAnswer& answer) {
  bool found = false;
  for (size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
    const ldns_rr* const rr = ldns_rr_list_rr(section, i);
    if (static_cast<int>(ldns_rr_get_type(rr)) != static_cast<int>(answer.type) ||
        !Owns(owner, rr)) {
      continue;
    }
    found = true;
    ttl_seconds = std::min(ttl_seconds, ldns_rr_ttl(rr));
    AppendRecord(rr, answer);
    if (const auto soa = ReadSoa(rr)) answer.soa_serial = soa->serial;
  }
  return found;
}

struct Alias {
  DomainName target;
  uint32_t ttl_seconds = 0;
};

// Where the CNAME at `name` leads, or the DNAME above it (RFC 6672 section 2.2). Servers make a
// CNAME of a DNAME, but not where the name would get too long. That is YXDOMAIN; Knot 3.2 says
// NXDOMAIN, which would be absence.
absl::StatusOr<std::optional<Alias>> FindAlias(const ldns_rr_list* section,
                                               const DomainName& name) {
  std::optional<Alias> redirected;
  for (size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
    const ldns_rr* const rr = ldns_rr_list_rr(section, i);
    const ldns_rr_type type = ldns_rr_get_type(rr);
    const bool is_cname = type == LDNS_RR_TYPE_CNAME && Owns(name, rr);
    const auto above = type == LDNS_RR_TYPE_DNAME ? OwnerAbove(name, rr) : std::nullopt;
    if (!is_cname && !above) continue;
    auto target = ldns_rr_rd_count(rr) == 1 ? NameOf(ldns_rr_rdf(rr, 0)) : std::nullopt;
    if (!target)
      return MakeError(absl::StatusCode::kUnavailable,
                       fmt::format("the alias at {} leads to what is no domain name", name.text()));
    if (is_cname) return Alias{*std::move(target), ldns_rr_ttl(rr)};
    const size_t kept = name.text().size() - above->ToFqdn().size();
    auto moved = target->Child(name.text().substr(0, above->IsRoot() ? std::string::npos : kept));
    if (!moved.ok())
      return MakeError(
          absl::StatusCode::kUnavailable,
          fmt::format("the DNAME at {} makes {} too long", above->text(), name.text()));
    redirected = Alias{*std::move(moved), ldns_rr_ttl(rr)};
  }
  return redirected;
}

}  // namespace

std::string RcodeName(int rcode) {
  switch (rcode) {
    case kRcodeNoError:
      return "NOERROR";
    case kRcodeFormErr:
      return "FORMERR";
    case kRcodeServFail:
      return "SERVFAIL";
    case kRcodeNxDomain:
      return "NXDOMAIN";
    case kRcodeNotImp:
      return "NOTIMP";
    case kRcodeRefused:
      return "REFUSED";
    case kRcodeYxDomain:
      return "YXDOMAIN";
    case kRcodeYxRrSet:
      return "YXRRSET";
    case kRcodeNxRrSet:
      return "NXRRSET";
    case kRcodeNotAuth:
      return "NOTAUTH";
    case kRcodeNotZone:
      return "NOTZONE";
    case kRcodeBadVers:
      return "BADVERS";
    default:
      return fmt::format("RCODE{}", rcode);
  }
}

uint16_t RandomId() {
  SystemRandom random;
  const std::string bytes = random.Bytes(2);
  return static_cast<uint16_t>(static_cast<unsigned char>(bytes[0]) << 8 |
                               static_cast<unsigned char>(bytes[1]));
}

std::string BuildQuery(const DomainName& name, RrType type, const QueryOptions& options,
                       uint16_t id) {
  const std::string wire_name = EncodeWireName(name);
  ldns_rdf* const owner =
      ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, wire_name.size(), wire_name.data());
  uint16_t flags = 0;
  if (options.recursion == Recursion::kDesired) flags |= LDNS_RD | LDNS_AD;
  if (options.validation == Validation::kCheckingDisabled) flags |= LDNS_CD;
  const LdnsPacket packet(ldns_pkt_query_new(owner, static_cast<ldns_rr_type>(type),
                                             LDNS_RR_CLASS_IN, flags));  // owns the name now
  if (!packet) throw std::bad_alloc();
  ldns_pkt_set_id(packet.get(), id);
  if (options.edns == Edns::kUsed) {
    ldns_pkt_set_edns_udp_size(packet.get(), kEdnsUdpBytes);
    ldns_pkt_set_edns_do(packet.get(), options.recursion == Recursion::kDesired);
  }
  uint8_t* wire = nullptr;
  size_t size = 0;
  if (ldns_pkt2wire(&wire, packet.get(), &size) != LDNS_STATUS_OK) throw std::bad_alloc();
  const std::unique_ptr<uint8_t, Freer<std::free>> owned(wire);
  return {reinterpret_cast<const char*>(wire), size};
}

bool IsReplyTo(std::string_view query, std::string_view reply) {
  // The question comes first, so its name is whole: compression points back, and there is nothing.
  size_t question = kHeaderBytes;
  while (question < query.size() && query[question] != '\0')
    question += 1U + Octet(query, question);
  question += 5;  // the root, QTYPE, QCLASS
  if (question > query.size() || reply.size() < question) return false;
  if (query.substr(0, 2) != reply.substr(0, 2)) return false;
  if ((Octet(reply, 2) & (kQr | kOpcode)) != (kQr | (Octet(query, 2) & kOpcode))) return false;
  if (reply.substr(4, 2) != std::string_view("\0\1", 2)) return false;  // QDCOUNT
  // Folding length octets as well does no harm: they are at most 63, below 'A'.
  const size_t name_end = question - 4;
  return EqualsIgnoreCase(query.substr(kHeaderBytes, name_end - kHeaderBytes),
                          reply.substr(kHeaderBytes, name_end - kHeaderBytes)) &&
         query.substr(name_end, 4) == reply.substr(name_end, 4);
}

bool IsTruncated(std::string_view reply) {
  return reply.size() >= kHeaderBytes && (Octet(reply, 2) & kTruncated) != 0;
}

absl::StatusOr<Response> DecodeResponse(std::string_view reply, const DomainName& name,
                                        RrType type) {
  ldns_pkt* raw = nullptr;
  const ldns_status status =
      ldns_wire2pkt(&raw, reinterpret_cast<const uint8_t*>(reply.data()), reply.size());
  const LdnsPacket packet(raw);
  if (status != LDNS_STATUS_OK) {
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("answer does not decode: {}", ldns_get_errorstr_by_id(status)));
  }
  Response out;
  out.rcode = ldns_pkt_edns_extended_rcode(packet.get()) << 4 | ldns_pkt_get_rcode(packet.get());
  out.recursion_available = ldns_pkt_ra(packet.get());
  out.answer.type = type;
  out.answer.validated = ldns_pkt_ad(packet.get());
  out.answer.authoritative = ldns_pkt_aa(packet.get());
  if (out.rcode != kRcodeNoError && out.rcode != kRcodeNxDomain) return out;

  const ldns_rr_list* const records = ldns_pkt_answer(packet.get());
  const auto authority_soa = FindSoa(ldns_pkt_authority(packet.get()));
  if (authority_soa) out.answer.soa_serial = authority_soa->serial;
  DomainName current = name;
  uint32_t ttl_seconds = UINT32_MAX;
  while (true) {
    if (TakeRecords(records, current, ttl_seconds, out.answer)) {
      const bool any =
          !out.answer.txt.empty() || !out.answer.texts.empty() || !out.answer.mx.empty();
      if (!any) {
        return MakeError(absl::StatusCode::kUnavailable,
                         fmt::format("no {} record of the answer can be read", ToString(type)));
      }
      out.answer.outcome = DnsOutcome::kRecords;
      out.answer.ttl_seconds = ttl_seconds;
      return out;
    }
    if (type == RrType::kCname) break;
    DMARCATE_ASSIGN_OR_RETURN(std::optional<Alias> alias, FindAlias(records, current));
    if (!alias) break;
    ttl_seconds = std::min(ttl_seconds, alias->ttl_seconds);
    out.alias_ttl_seconds = ttl_seconds;
    DMARCATE_RETURN_IF_ERROR(AppendAlias(name, alias->target, out.answer.cname_chain));
    current = std::move(alias->target);
  }
  out.answer.outcome = out.rcode == kRcodeNxDomain ? DnsOutcome::kNxDomain : DnsOutcome::kNoData;
  // Without the SOA of the target's zone nothing was said of the target: a server that follows an
  // alias out of its zones stops there (RFC 1034 section 4.3.2).
  out.alias_unresolved = !out.answer.cname_chain.empty() && !authority_soa;
  const uint32_t negative_ttl = authority_soa ? authority_soa->negative_ttl_seconds : 0;
  out.answer.ttl_seconds = std::min(ttl_seconds, negative_ttl);
  return out;
}

}  // namespace dmarcate
