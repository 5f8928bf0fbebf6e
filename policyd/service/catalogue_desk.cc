#include "policyd/service/catalogue_desk.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
#include "policyd/analysis/catalogue_file.h"
#include "policyd/analysis/catalogue_text.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"
#include "policyd/service/names.h"

namespace dmarcate {

absl::Status CatalogueDesk::Load() {
  const std::lock_guard lock(mutex_);
  return Reload();
}

absl::Status CatalogueDesk::Reload() {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<OwnServiceRecord> stored, store_.ListOwnServices());
  Services own;
  std::vector<MailService> counting;
  for (const OwnServiceRecord& record : stored) {
    OwnService& one = own[record.id];
    one.record = record;
    auto service = ParseStoredService(record.text, record.id);
    absl::Status fault = service.status();
    if (service.ok()) {
      one.service = *std::move(service);
      counting.push_back(one.service);
      fault = CheckOwnService(one.service, suffixes_);
      if (fault.ok()) fault = book_.Check(counting);
      if (!fault.ok()) counting.pop_back();
    }
    if (fault.ok()) continue;
    one.service.id = record.id;
    one.ignored_reason = std::string(MessageOf(fault));
    LogError("mail_service_ignored", {{"service", record.id}, {"error", fault}});
  }
  if (counting.empty() && own_.empty()) {
    own_ = std::move(own);
    return absl::OkStatus();  // the base is in use
  }
  DMARCATE_RETURN_IF_ERROR(book_.Replace(counting, clock_.Monotonic()));
  own_ = std::move(own);
  return absl::OkStatus();
}

std::vector<MailService> CatalogueDesk::Counting(const Services& own, std::string_view but,
                                                 const MailService* with) {
  std::vector<MailService> out;
  for (const auto& [id, one] : own) {
    if (id != but && one.ignored_reason.empty()) out.push_back(one.service);
  }
  if (with != nullptr) out.push_back(*with);
  return out;
}

std::vector<OwnService> CatalogueDesk::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<OwnService> out;
  for (const auto& [id, one] : own_) out.push_back(one);
  return out;
}

std::optional<OwnService> CatalogueDesk::Find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = own_.find(id);
  return found == own_.end() ? std::nullopt : std::optional(found->second);
}

absl::Status CatalogueDesk::NotAdded(std::string_view id) const {
  const std::string resource = MailServiceResource(id);
  if (book_.base().FindById(id) == nullptr) return NotFound(resource);
  return ReasonError(Reason::kResourceNotFound,
                     fmt::format("{}: it was not added over the API; an entry with its id that is "
                                 "added takes its place",
                                 resource),
                     {{"resource", resource}});
}

absl::StatusOr<OwnService> CatalogueDesk::Put(const PutOwnRequest& request) {
  const std::lock_guard lock(mutex_);
  const MailService& service = request.service;
  const std::string resource = MailServiceResource(service.id);
  const auto known = own_.find(service.id);
  OwnService out;
  if (!request.etag) {
    if (known != own_.end()) {
      return ReasonError(Reason::kResourceExists, fmt::format("{} is there already", resource),
                         {{"resource", resource}});
    }
    if (own_.size() >= kMaxOwnServices) {
      return FieldError(
          "mail_service_id",
          fmt::format("there are {} services of your own, the most there may be", kMaxOwnServices));
    }
    out.record.create_time = clock_.Now();
  } else {
    if (known == own_.end()) return NotAdded(service.id);
    DMARCATE_RETURN_IF_ERROR(CheckEtag(*request.etag, known->second.record.revision));
    out.record = known->second.record;
  }
  absl::Status fault = CheckOwnService(service, suffixes_);
  const std::vector<MailService> counting = Counting(own_, service.id, &service);
  if (fault.ok()) fault = book_.Check(counting);
  if (!fault.ok()) return FieldError("mail_service", MessageOf(fault));
  out.service = service;
  out.record.id = service.id;
  out.record.text = RenderService(service);
  out.record.update_time = clock_.Now();
  out.record.updated_by = request.who;
  if (request.validate_only) return out;
  DMARCATE_ASSIGN_OR_RETURN(out.record, store_.PutOwnService(out.record));
  DMARCATE_RETURN_IF_ERROR(book_.Replace(counting, clock_.Monotonic()));
  own_[service.id] = out;
  LogInfo("mail_service_put", {{"service", service.id}, {"by", request.who}});
  return out;
}

absl::Status CatalogueDesk::Delete(std::string_view id, std::string_view etag, std::string_view who,
                                   bool validate_only) {
  const std::lock_guard lock(mutex_);
  const auto known = own_.find(id);
  if (known == own_.end()) return NotAdded(id);
  DMARCATE_RETURN_IF_ERROR(CheckEtag(etag, known->second.record.revision));
  const std::vector<MailService> counting = Counting(own_, id, nullptr);
  // Another one may declare that it shares this one's include.
  if (const absl::Status fault = book_.Check(counting); !fault.ok()) {
    return FieldError("name", MessageOf(fault));
  }
  if (validate_only) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(store_.DeleteOwnService(id, known->second.record.revision));
  DMARCATE_RETURN_IF_ERROR(book_.Replace(counting, clock_.Monotonic()));
  own_.erase(known);
  LogInfo("mail_service_deleted", {{"service", id}, {"by", who}});
  return absl::OkStatus();
}

}  // namespace dmarcate
