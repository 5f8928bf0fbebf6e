#include "tests/conformance/vendor/vendor_server.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "lib/base/status_macros.h"

namespace dmarcate::testing_support {
namespace {

VendorRequest ParseRequest(const HttpRequest& request) {
  VendorRequest out;
  out.method = request.method;
  out.headers = request.headers;
  out.body = request.body;
  out.origin = OriginOf(request.url);
  std::string_view rest = std::string_view(request.url).substr(out.origin.size());
  const size_t question = rest.find('?');
  out.path = std::string(rest.substr(0, question));
  for (const std::string_view segment : Split(out.path, '/')) {
    out.segments.push_back(PercentDecode(segment));
  }
  out.segments.erase(out.segments.begin());  // before the first slash
  if (question == std::string_view::npos) return out;
  for (const std::string_view pair : Split(rest.substr(question + 1), '&')) {
    const size_t equals = pair.find('=');
    const std::string name = PercentDecode(pair.substr(0, equals));
    EXPECT_FALSE(out.query.contains(name)) << name << " twice in " << request.url;
    out.query[name] =
        equals == std::string_view::npos ? "" : PercentDecode(pair.substr(equals + 1));
  }
  return out;
}

}  // namespace

std::string PercentDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && !FromHex(text.substr(i + 1, 2)).empty()) {
      out += FromHex(text.substr(i + 1, 2));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string VendorRequest::Header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (EqualsIgnoreCase(header.name, name)) return header.value;
  }
  return "";
}

std::string VendorRequest::Query(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

VendorServer::Kind VendorServer::KindOf(const VendorRequest& request) const {
  return request.method == "GET" ? Kind::kRead : Kind::kWrite;
}

std::optional<VendorServer::Fault> VendorServer::Strike(Kind kind, Moment moment) {
  const auto found = std::ranges::find_if(
      faults_, [&](const Fault& fault) { return fault.kind == kind && fault.moment == moment; });
  if (found == faults_.end()) return std::nullopt;
  Fault fault = *found;
  if (--found->times == 0) faults_.erase(found);
  return fault;
}

absl::StatusOr<HttpResponse> VendorServer::Send(const HttpRequest& request) {
  DMARCATE_RETURN_IF_ERROR(ValidateRequest(request));
  const std::lock_guard lock(mutex_);
  log_.push_back(request);
  if (down_) {
    return MakeError(
        absl::StatusCode::kUnavailable,
        fmt::format("{} {}: connection refused", request.method, OriginOf(request.url)));
  }
  const VendorRequest parsed = ParseRequest(request);
  const Kind kind = KindOf(parsed);
  std::optional<HttpResponse> response;
  for (const Moment moment : {Moment::kBefore, Moment::kAfter}) {
    if (moment == Moment::kAfter) {
      try {
        response = Serve(parsed);
      } catch (const Json::exception& error) {
        response = NotUnderstood(parsed, error.what());
      }
    }
    const std::optional<Fault> fault = Strike(kind, moment);
    if (!fault) continue;
    if (fault->hook) fault->hook();
    if (!fault->outcome) continue;
    if (!fault->outcome->ok()) return fault->outcome->status();
    response = **fault->outcome;
    break;
  }
  for (HttpHeader& header : response->headers) header.name = AsciiLower(header.name);
  return *std::move(response);
}

void VendorServer::Inject(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}
size_t VendorServer::pending_faults() const {
  const std::lock_guard lock(mutex_);
  return faults_.size();
}
void VendorServer::ClearFaults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}
void VendorServer::GoDown() {
  const std::lock_guard lock(mutex_);
  down_ = true;
}
void VendorServer::SetPageSize(size_t size) {
  const std::lock_guard lock(mutex_);
  page_size_ = size;
}
void VendorServer::ForbidRecords() {
  const std::lock_guard lock(mutex_);
  records_forbidden_ = true;
}

void VendorServer::AddZone(std::string_view name, Json extra) {
  const std::lock_guard lock(mutex_);
  VendorZone zone;
  zone.name = DomainName::Parse(name).value();
  zone.id = MakeZoneId(zone.name);
  zone.extra = std::move(extra);
  zones_.push_back(std::move(zone));
}

void VendorServer::SetTxt(const DomainName& owner, const std::vector<TxtRecord>& records,
                          uint32_t ttl) {
  const std::lock_guard lock(mutex_);
  VendorZone* const zone = ZoneHolding(owner);
  ASSERT_NE(zone, nullptr) << owner.text();
  std::erase_if(zone->records, [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "TXT";
  });
  for (const TxtRecord& txt : records) {
    VendorRecord record;
    record.id = MakeRecordId();
    record.owner = owner;
    record.strings = txt.strings;
    record.ttl = ttl;
    zone->records.push_back(std::move(record));
  }
}

void VendorServer::AddRecord(VendorRecord record) {
  const std::lock_guard lock(mutex_);
  VendorZone* const zone = ZoneHolding(record.owner);
  ASSERT_NE(zone, nullptr) << record.owner.text();
  if (record.id.empty()) record.id = MakeRecordId();
  zone->records.push_back(std::move(record));
}

std::vector<VendorRecord> VendorServer::RecordsAt(const DomainName& owner) const {
  const std::lock_guard lock(mutex_);
  std::vector<VendorRecord> out;
  for (const VendorZone& zone : zones_) {
    for (const VendorRecord& record : zone.records) {
      if (record.owner == owner && record.type == "TXT") out.push_back(record);
    }
  }
  return out;
}

std::vector<TxtRecord> VendorServer::Served(const DomainName& owner) const {
  std::vector<TxtRecord> out;
  for (const VendorRecord& record : RecordsAt(owner)) {
    if (!record.strings.empty()) out.push_back({record.strings});
  }
  return out;
}

int VendorServer::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}
int VendorServer::requests() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(log_.size());
}
std::vector<HttpRequest> VendorServer::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

HttpResponse VendorServer::NotUnderstood(const VendorRequest& request, std::string_view why) const {
  ADD_FAILURE() << request.method << " " << request.path << ": " << why << "\n" << request.body;
  return ErrorResponse(400, why);
}

bool VendorServer::HasQuery(const VendorRequest& request, std::vector<std::string> names) const {
  bool good = true;
  for (std::string& name : names) {
    const bool optional = name.starts_with('[');
    if (optional) name = name.substr(1, name.size() - 2);
    if (optional || request.query.contains(name)) continue;
    ADD_FAILURE() << request.method << " " << request.path << ": without " << name;
    good = false;
  }
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(names, name) != names.end()) continue;
    ADD_FAILURE() << request.method << " " << request.path << ": unknown " << name << "=" << value;
    good = false;
  }
  return good;
}

HttpResponse VendorServer::JsonResponse(int status, const Json& body) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"content-type", "application/json"}};
  if (!body.is_null()) response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return response;
}

VendorZone* VendorServer::ZoneById(std::string_view id) {
  const auto found = std::ranges::find(zones_, id, &VendorZone::id);
  return found == zones_.end() ? nullptr : &*found;
}
VendorZone* VendorServer::ZoneNamed(const DomainName& name) {
  const auto found = std::ranges::find(zones_, name, &VendorZone::name);
  return found == zones_.end() ? nullptr : &*found;
}
VendorZone* VendorServer::ZoneHolding(const DomainName& owner) {
  for (DomainName candidate = owner; !candidate.IsRoot(); candidate = candidate.Parent()) {
    if (VendorZone* const zone = ZoneNamed(candidate)) return zone;
  }
  return nullptr;
}
bool VendorServer::IsAlias(const VendorZone& zone, const DomainName& owner) const {
  return std::ranges::any_of(zone.records, [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "CNAME";
  });
}

}  // namespace dmarcate::testing_support
