// An entry of a history as it is stored (policy_codec.h).

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace pb = storage::v1;

bool ToOutcome(uint32_t number, ObservedOutcome* out) {
  *out = static_cast<ObservedOutcome>(number);
  return number >= 1 && number <= static_cast<uint32_t>(ObservedOutcome::kBogus);
}

}  // namespace

std::string EncodeRecord(std::string_view key, const Observation& record) {
  pb::Observation out;
  out.set_outcome(static_cast<uint32_t>(record.outcome));
  out.set_error(record.error);
  for (const std::string& value : record.values) out.add_values(value);
  out.set_values_sha256(record.values_sha256);
  out.set_ttl(record.ttl_seconds);
  out.set_from_servers(record.from_servers);
  for (const std::string& target : record.cname_chain) out.add_cname_chain(target);
  for (const ObservedServer& server : record.disagreeing) {
    pb::ObservedServer* to = out.add_disagreeing();
    to->set_name_server(server.name_server);
    to->set_address(server.address);
    to->set_outcome(static_cast<uint32_t>(server.outcome));
    for (const std::string& value : server.values) to->add_values(value);
  }
  out.set_dnssec(static_cast<uint32_t>(record.dnssec));
  out.set_last_seen_us(ToStoredTime(record.last_seen));
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, Observation* record) {
  pb::Observation in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  const auto place = policy_keys::ParseObservation(key);
  if (!place) return DoesNotDecode(key);
  *record = Observation();
  bool known = ToOutcome(in.outcome(), &record->outcome);
  record->error = in.error();
  record->values = {in.values().begin(), in.values().end()};
  record->values_sha256 = in.values_sha256();
  record->ttl_seconds = in.ttl();
  record->from_servers = in.from_servers();
  record->cname_chain = {in.cname_chain().begin(), in.cname_chain().end()};
  for (const pb::ObservedServer& server : in.disagreeing()) {
    ObservedServer& to = record->disagreeing.emplace_back();
    to.name_server = server.name_server();
    to.address = server.address();
    known = ToOutcome(server.outcome(), &to.outcome) && known;
    to.values = {server.values().begin(), server.values().end()};
  }
  known = known && in.dnssec() <= static_cast<uint32_t>(DnssecState::kBogus);
  record->dnssec = static_cast<DnssecState>(in.dnssec());
  record->first_seen = place->second;
  record->last_seen = FromStoredTime(in.last_seen_us());
  return known ? absl::OkStatus() : DoesNotDecode(key);
}

}  // namespace dmarcate
