#include "policyd/service/rollout_rules_service.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/rollout_rules.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxReasonCharacters = 200;
constexpr std::string_view kOfAll = "domains/-";
constexpr std::string_view kFreezes = "rolloutFreezes";

v1::RolloutFreeze ToMessage(const std::string& domain, const RolloutFreeze& freeze) {
  v1::RolloutFreeze out;
  out.set_name(fmt::format("domains/{}/{}/{}", domain, kFreezes, freeze.id));
  *out.mutable_start_time() = ToTimestamp(freeze.begin);
  *out.mutable_end_time() = ToTimestamp(freeze.end);
  out.set_reason(ToValidUtf8(freeze.reason));
  out.set_created_by(ToValidUtf8(freeze.created_by));
  *out.mutable_create_time() = ToTimestamp(freeze.create_time);
  return out;
}

v1::RolloutRules ToMessage(const RolloutRules& rules) {
  v1::RolloutRules out;
  out.set_name(fmt::format("domains/{}/rolloutRules", rules.domain));
  if (rules.revision != 0) out.set_etag(MakeEtag(rules.revision));
  out.set_two_people(rules.two_people);
  if (!rules.release_by.empty()) {
    out.set_release_asked_by(ToValidUtf8(rules.release_by));
    *out.mutable_release_ask_time() = ToTimestamp(rules.release_time);
  }
  out.set_suspended(rules.suspended);
  out.set_suspend_reason(ToValidUtf8(rules.suspend_reason));
  for (const RolloutFreeze& freeze : rules.freezes) {
    *out.add_freezes() = ToMessage(rules.domain, freeze);
  }
  for (auto entry = rules.log.rbegin(); entry != rules.log.rend(); ++entry) {
    v1::RolloutRulesEvent& event = *out.add_log();
    *event.mutable_time() = ToTimestamp(entry->time);
    event.set_who(ToValidUtf8(entry->who));
    event.set_text(ToValidUtf8(entry->text));
  }
  return out;
}

absl::StatusOr<absl::Time> ReadTime(const google::protobuf::Timestamp& time, bool there,
                                    std::string_view field) {
  if (!there) return FieldRequired(field);
  // 0001 to 9999, as the type has it.
  constexpr int64_t kFirst = -62'135'596'800;
  constexpr int64_t kLast = 253'402'300'799;
  if (time.seconds() < kFirst || time.seconds() > kLast) return FieldError(field, "is no time");
  return absl::FromUnixSeconds(time.seconds());
}

class RolloutRulesServiceImpl final : public v1::RolloutRulesService::CallbackService {
 public:
  RolloutRulesServiceImpl(const ServiceParts& parts, RolloutRulesBook& rules)
      : parts_(parts), rules_(rules) {}

  grpc::ServerUnaryReactor* GetRolloutRules(grpc::CallbackServerContext* context,
                                            const v1::GetRolloutRulesRequest* request,
                                            v1::GetRolloutRulesResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* UpdateRolloutRules(grpc::CallbackServerContext* context,
                                               const v1::UpdateRolloutRulesRequest* request,
                                               v1::UpdateRolloutRulesResponse* response) override {
    return Write(
        "UpdateRolloutRules", context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return Update(call, in, out); });
  }
  grpc::ServerUnaryReactor* CreateRolloutFreeze(
      grpc::CallbackServerContext* context, const v1::CreateRolloutFreezeRequest* request,
      v1::CreateRolloutFreezeResponse* response) override {
    return Write(
        "CreateRolloutFreeze", context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return Freeze(call, in, out); });
  }
  grpc::ServerUnaryReactor* DeleteRolloutFreeze(
      grpc::CallbackServerContext* context, const v1::DeleteRolloutFreezeRequest* request,
      v1::DeleteRolloutFreezeResponse* response) override {
    return Write(
        "DeleteRolloutFreeze", context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return Thaw(call, in, out); });
  }

 private:
  template <typename Request, typename Response, typename Act>
  grpc::ServerUnaryReactor* Write(std::string_view method, grpc::CallbackServerContext* context,
                                  const Request* request, Response* response, Act act) {
    return ServeUnary(
        parts_.host, CallKind::kMutation, context, request, response,
        [this, method, act](const Call& call, const auto& in, auto* out) {
          return ToGrpc(Mutate(parts_, call, method, in, out, [&] { return act(call, in, out); }));
        });
  }

  // "domains/{domain}" of a managed domain, or "domains/-".
  absl::StatusOr<std::string> ReadParent(std::string_view name, std::string_view field) const {
    if (name == kOfAll) return std::string(kRulesOfAll);
    DMARCATE_ASSIGN_OR_RETURN(std::string domain, ParseDomainResource(name, field));
    DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
    return domain;
  }
  absl::StatusOr<std::string> ReadName(std::string_view name, std::string_view field) const {
    constexpr std::string_view kEnd = "/rolloutRules";
    if (!name.ends_with(kEnd)) {
      return ReasonError(name.empty() ? Reason::kFieldRequired : Reason::kNameMalformed,
                         fmt::format("{}: want \"domains/{{domain}}/rolloutRules\"", field),
                         {{"field", std::string(field)}});
    }
    return ReadParent(name.substr(0, name.size() - kEnd.size()), field);
  }

  absl::Status Get(const v1::GetRolloutRulesRequest& in, v1::GetRolloutRulesResponse* out) const {
    DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ReadName(in.name(), "name"));
    DMARCATE_ASSIGN_OR_RETURN(const RolloutRules rules, rules_.Get(domain));
    *out->mutable_rules() = ToMessage(rules);
    if (domain == kRulesOfAll) return absl::OkStatus();
    DMARCATE_ASSIGN_OR_RETURN(const RolloutRules of_all, rules_.Get(kRulesOfAll));
    *out->mutable_rules_of_all() = ToMessage(of_all);
    return absl::OkStatus();
  }

  absl::Status Update(const Call& call, const v1::UpdateRolloutRulesRequest& in,
                      v1::UpdateRolloutRulesResponse* out) const {
    RulesRequest request{.domain = {},
                         .revision = 0,
                         .principal = call.principal().name,
                         .mode = ModeOf(in.validate_only())};
    DMARCATE_ASSIGN_OR_RETURN(request.domain, ReadName(in.rules().name(), "rules.name"));
    if (!in.rules().etag().empty()) {
      DMARCATE_ASSIGN_OR_RETURN(request.revision, ReadEtag(in.rules().etag()));
    }
    if (in.update_mask().paths().empty()) {
      return ReasonError(Reason::kUpdateMaskRequired,
                         "update_mask: required; name \"two_people\" or \"suspended\"",
                         {{"field", "update_mask"}});
    }
    RulesEdit edit;
    for (const std::string& path : in.update_mask().paths()) {
      if (path == "two_people") {
        edit.two_people = in.rules().two_people();
      } else if (path == "suspended") {
        edit.suspended = in.rules().suspended();
      } else if (path != "suspend_reason") {
        return ReasonError(Reason::kUpdateMaskInvalid,
                           fmt::format("update_mask: there is no \"{}\"", EscapeForTerminal(path)),
                           {{"field", "update_mask"}, {"path", path.substr(0, 100)}});
      }
    }
    DMARCATE_RETURN_IF_ERROR(
        CheckLength("rules.suspend_reason", in.rules().suspend_reason(), kMaxReasonCharacters));
    edit.suspend_reason = in.rules().suspend_reason();
    DMARCATE_ASSIGN_OR_RETURN(const RolloutRules rules, rules_.Update(request, edit));
    *out->mutable_rules() = ToMessage(rules);
    return absl::OkStatus();
  }

  absl::Status Freeze(const Call& call, const v1::CreateRolloutFreezeRequest& in,
                      v1::CreateRolloutFreezeResponse* out) const {
    DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ReadParent(in.parent(), "parent"));
    DMARCATE_ASSIGN_OR_RETURN(const RulesRequest request, Read(call, domain, in));
    RolloutFreeze freeze;
    DMARCATE_ASSIGN_OR_RETURN(
        freeze.begin,
        ReadTime(in.freeze().start_time(), in.freeze().has_start_time(), "freeze.start_time"));
    DMARCATE_ASSIGN_OR_RETURN(freeze.end, ReadTime(in.freeze().end_time(),
                                                   in.freeze().has_end_time(), "freeze.end_time"));
    DMARCATE_RETURN_IF_ERROR(
        CheckLength("freeze.reason", in.freeze().reason(), kMaxReasonCharacters));
    freeze.reason = in.freeze().reason();
    DMARCATE_ASSIGN_OR_RETURN(const RolloutRulesBook::Frozen frozen,
                              rules_.AddFreeze(request, std::move(freeze)));
    *out->mutable_freeze() = ToMessage(domain, frozen.freeze);
    *out->mutable_rules() = ToMessage(frozen.rules);
    return absl::OkStatus();
  }

  absl::Status Thaw(const Call& call, const v1::DeleteRolloutFreezeRequest& in,
                    v1::DeleteRolloutFreezeResponse* out) const {
    const std::vector<std::string_view> parts = Split(in.name(), '/');
    if (parts.size() != 4 || parts[2] != kFreezes || parts[3].empty()) {
      return ReasonError(in.name().empty() ? Reason::kFieldRequired : Reason::kNameMalformed,
                         "name: want \"domains/{domain}/rolloutFreezes/{freeze}\"",
                         {{"field", "name"}});
    }
    DMARCATE_ASSIGN_OR_RETURN(const std::string domain,
                              ReadParent(fmt::format("{}/{}", parts[0], parts[1]), "name"));
    DMARCATE_ASSIGN_OR_RETURN(const RulesRequest request, Read(call, domain, in));
    DMARCATE_ASSIGN_OR_RETURN(const RolloutRules rules, rules_.RemoveFreeze(request, parts[3]));
    *out->mutable_rules() = ToMessage(rules);
    return absl::OkStatus();
  }

  static RunMode ModeOf(bool validate_only) {
    return validate_only ? RunMode::kValidateOnly : RunMode::kExecute;
  }
  // With an etag that may be left out.
  template <typename Request>
  static absl::StatusOr<RulesRequest> Read(const Call& call, const std::string& domain,
                                           const Request& in) {
    RulesRequest request{.domain = domain,
                         .revision = {},
                         .principal = call.principal().name,
                         .mode = ModeOf(in.validate_only())};
    if (!in.etag().empty()) {
      DMARCATE_ASSIGN_OR_RETURN(request.revision, ReadEtag(in.etag()));
    }
    return request;
  }

  const ServiceParts& parts_;
  RolloutRulesBook& rules_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRolloutRulesService(const ServiceParts& parts,
                                                       RolloutRulesBook& rules) {
  return std::make_unique<RolloutRulesServiceImpl>(parts, rules);
}

}  // namespace dmarcate
