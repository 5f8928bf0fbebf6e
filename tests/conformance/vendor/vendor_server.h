// tests/conformance/vendor/vendor_server.h
// A DNS host's HTTP API in this process: an HttpTransport in front of zones that are kept by the
// vendor's own rules. Each vendor is a subclass. It shares no code with the adapter under test, it
// answers as the vendor documents, and it fails the test for a request that the vendor would not
// understand (method, path, query, headers, body).
//
// Faults are injected by kind of request, before or after the effect.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_VENDOR_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_VENDOR_SERVER_H_

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "lib/dns/resolver.h"
#include "lib/http/transport.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate::testing_support {

using Json = nlohmann::json;

struct VendorRequest {
  std::string method;
  std::string origin;                        // "https://api.example.com"
  std::string path;                          // as sent, without the query
  std::vector<std::string> segments;         // of the path, decoded
  std::map<std::string, std::string> query;  // decoded; one value a name
  std::vector<HttpHeader> headers;
  std::string body;
  std::string Header(std::string_view name) const;  // "" if it is not there
  std::string Query(const std::string& name) const;
};

// One record, as the DNS would serve it and as the API shows it.
struct VendorRecord {
  std::string id;
  DomainName owner;
  std::string type = "TXT";
  std::vector<std::string> strings;  // TXT: character-strings, served
  std::string raw;                   // if not empty: how the API shows it, instead of its own way
  uint32_t ttl = 300;
  Json extra = Json::object();  // what else the API shows
};

struct VendorZone {
  std::string id;
  DomainName name;
  std::vector<VendorRecord> records;
  Json extra = Json::object();
};

// Thread-safe: one request at a time.
class VendorServer : public HttpTransport {
 public:
  enum class Kind : uint8_t { kRead, kWrite };
  enum class Moment : uint8_t { kBefore, kAfter };
  struct Fault {
    Kind kind = Kind::kWrite;
    Moment moment = Moment::kBefore;
    // What the client gets instead of the answer; nothing: the answer.
    std::optional<absl::StatusOr<HttpResponse>> outcome;
    std::function<void()> hook;  // runs then; may change the server
    int times = 1;
  };

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) final;

  void Inject(Fault fault);
  size_t pending_faults() const;
  void ClearFaults();
  void GoDown();
  // At most so many items on a page, whatever is asked for.
  void SetPageSize(size_t size);
  // The zones are listed, their records refused.
  void ForbidRecords();

  void AddZone(std::string_view name, Json extra = Json::object());
  // As by somebody else, past the API.
  void SetTxt(const DomainName& owner, const std::vector<TxtRecord>& records, uint32_t ttl = 300);
  void AddRecord(VendorRecord record);
  std::vector<TxtRecord> Served(const DomainName& owner) const;
  std::vector<VendorRecord> RecordsAt(const DomainName& owner) const;

  // Requests that changed something.
  int writes() const;
  // All requests, and those only that are no reads.
  int requests() const;
  std::vector<HttpRequest> log() const;

  // An error in the vendor's form.
  virtual HttpResponse ErrorResponse(int status, std::string_view message) const = 0;

 protected:
  // Under the lock. An exception of the JSON library is a request that was not understood.
  virtual HttpResponse Serve(const VendorRequest& request) = 0;
  virtual Kind KindOf(const VendorRequest& request) const;

  // For the test to fail: the vendor would not understand this. Answers 400.
  HttpResponse NotUnderstood(const VendorRequest& request, std::string_view why) const;
  // Exactly these query parameters, in any order; those in brackets, "[page]", may be missing.
  bool HasQuery(const VendorRequest& request, std::vector<std::string> names) const;
  static HttpResponse JsonResponse(int status, const Json& body);
  VendorZone* ZoneById(std::string_view id);
  VendorZone* ZoneNamed(const DomainName& name);
  // The longest that holds it.
  VendorZone* ZoneHolding(const DomainName& owner);
  bool IsAlias(const VendorZone& zone, const DomainName& owner) const;
  std::string NextId() { return std::to_string(next_id_++); }
  void Changed() { ++writes_; }
  size_t PageSize(size_t wanted) const {
    return page_size_ ? std::min(*page_size_, wanted) : wanted;
  }
  bool records_forbidden() const { return records_forbidden_; }
  // How ids of zones and records look; unique.
  virtual std::string MakeZoneId(const DomainName& name) { return "z" + NextId() + name.text(); }
  virtual std::string MakeRecordId() { return NextId(); }

  std::vector<VendorZone> zones_;

 private:
  std::optional<Fault> Strike(Kind kind, Moment moment);

  mutable std::recursive_mutex mutex_;  // hooks change the server
  std::vector<Fault> faults_;
  std::vector<HttpRequest> log_;
  std::optional<size_t> page_size_;
  bool down_ = false;
  bool records_forbidden_ = false;
  int writes_ = 0;
  int64_t next_id_ = 1001;
};

std::string PercentDecode(std::string_view text);

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_VENDOR_SERVER_H_
