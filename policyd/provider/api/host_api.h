// policyd/provider/api/host_api.h
// What many hosts have in common: one token in one header, lists in numbered pages, records and
// zones out of JSON, a credential in several parts.

#ifndef DMARCATE_POLICYD_PROVIDER_API_HOST_API_H_
#define DMARCATE_POLICYD_PROVIDER_API_HOST_API_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/secret.h"
#include "policyd/provider/api/json.h"
#include "policyd/provider/api/txt_codec.h"
#include "policyd/provider/api/zone_api.h"

namespace dmarcate {

// A ZoneApi whose credential is one token.
class TokenApi : public ZoneApi {
 public:
  std::string_view host() const final { return host_; }
  ProviderClass provider_class() const final { return provider_class_; }
  std::vector<std::string> Secrets() const final { return {token_.Reveal()}; }
  absl::Status Authorize(ApiCall&, HttpRequest& request) final {
    request.headers.push_back({header_, scheme_ + token_.Reveal()});
    return absl::OkStatus();
  }

 protected:
  // `header`: "Authorization"; `scheme`: "Bearer ", with its blank.
  TokenApi(std::string_view host, ProviderClass provider_class, std::string header,
           std::string scheme, Secret token)
      : host_(host),
        provider_class_(provider_class),
        header_(std::move(header)),
        scheme_(std::move(scheme)),
        token_(std::move(token)) {}

 private:
  const std::string host_;
  const ProviderClass provider_class_;
  const std::string header_, scheme_;
  const Secret token_;
};

// A ZoneApi of a host that publishes by a step of its own: beside being part of Write, it is taken
// where `change.after` stands already, for the call that wrote it may have ended before.
class ZonePublisher {
 public:
  virtual ~ZonePublisher() = default;
  // Safe to repeat.
  //   kUnknown  perhaps not published
  virtual absl::Status Publish(ApiCall& call, const HostedZone& zone) = 0;
};

// A list in pages that are numbered from 1.
struct PagedList {
  std::function<std::string(uint64_t page)> url;
  const char* member = "data";  // the array; null where the answer is the array
  // Whether there is a page after this one.
  std::function<bool(const Json& body, uint64_t page)> more;
  // How many items there are on all pages; null, or nothing, where the host does not say.
  std::function<std::optional<uint64_t>(const Json& body)> total = nullptr;
};
//   kDataLoss  no such array, an empty page before the last, or another number than was said
absl::StatusOr<std::vector<Json>> ReadPages(ApiCall& call, const PagedList& list);

// Adds a zone whose name is one that this program knows as a domain; others are no mail domains.
void AddZone(std::vector<HostedZone>& zones, std::string_view name, std::string id,
             std::string read_only = "");
// The zone that is at `url`, if that is one of the name asked for: for hosts that have a look-up by
// name. None if the host says that it is not there. `name_in` takes the name out of the answer.
//   kDataLoss  another name, or none
absl::StatusOr<std::vector<HostedZone>> FindZoneAt(
    ApiCall& call, const std::string& url, const DomainName& name,
    const std::function<std::optional<std::string>(const Json& body)>& name_in);
// With `txt`, where `raw` can be decoded.
HostedRecord MakeHostedRecord(TxtForm form, std::string id, std::string raw, uint32_t ttl_seconds);
// The set's TTL is the least of its records'.
void AddRecord(HostedRrSet& rrset, HostedRecord record);

// For hosts that do not say how an octet is escaped: texts that are not in `now` are of printable
// ASCII.
//   kInvalidArgument  one is not
absl::Status CheckPrintable(const HostedRrSet& now, const std::vector<TxtRecord>& after);

// A write that completes one that is done. Throttling is waited out within the deadline, and any
// other error means kUnknown, "`done`, then: ...".
absl::Status TakeLaterStep(ApiCall& call, std::string_view done,
                           const std::function<absl::Status()>& take);
// Of an answer to a write that cannot be read.
absl::Status UnknownAnswer(std::string_view what);

// A credential of several parts: a line "key = value" each, in any order, with empty lines,
// comments
// (#, ;) and section headings between. Other keys are passed over.
//   kInvalidArgument  one of `keys` is missing or there twice; the message names it, no value
absl::StatusOr<std::map<std::string, Secret>> ParseSecretLines(
    std::string_view text, const std::vector<std::string>& keys);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_HOST_API_H_
