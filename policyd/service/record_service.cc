#include "policyd/service/record_service.h"

#include <algorithm>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/record.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inspect/lookup_budget.h"
#include "lib/inspect/posture.h"
#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/record_lint.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "lib/view/inbound_view.h"
#include "lib/view/posture_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/record_drift.h"
#include "policyd/service/record_history.h"
#include "policyd/service/selectors.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxRecordOctets = 64 << 10;

// Looks at mail servers that run at once: each holds a handler's thread for half a minute if
// servers are silent, and others need threads, too.
constexpr int kMaxInboundLooks = 4;
// What is left to answer in.
constexpr absl::Duration kAnswerTime = absl::Seconds(4);

// Two seconds less than a call has (kReadLimit): an answer that was cut, and says so, beats none.
constexpr absl::Duration kLookTime = absl::Seconds(8);
SpfTreeBudget MakeBudget() {
  SpfTreeBudget budget;
  budget.max_time = kLookTime;
  return budget;
}
PostureOptions MakeOptions() {
  PostureOptions options;
  options.spf_budget = MakeBudget();
  options.budget.max_time = kLookTime;
  return options;
}

absl::StatusOr<DomainName> ReadDomain(const std::string& parent) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(parent, "parent"));
  return DomainName::Parse(domain);
}

// Nothing at all could be learned: every record asked for ended in an error.
bool LearnedNothing(const v1::InspectRecordsResponse& response) {
  return !response.records().empty() &&
         std::ranges::all_of(response.records(), [](const v1::LiveRecord& record) {
           return record.outcome() != v1::LOOKUP_OUTCOME_RECORDS &&
                  record.outcome() != v1::LOOKUP_OUTCOME_NODATA &&
                  record.outcome() != v1::LOOKUP_OUTCOME_NXDOMAIN &&
                  std::ranges::none_of(record.servers(), [](const v1::ServerView& server) {
                    return server.error().empty();
                  });
         });
}

void CountSignatures(const SelectorTally& tally, v1::InspectRecordsResponse* out) {
  for (v1::LiveRecord& record : *out->mutable_records()) {
    if (!record.has_dkim_key()) continue;
    const auto counts = tally.Find(record.dkim_key().selector());
    if (!counts.has_value()) continue;
    v1::DkimSignatureCounts* const signatures = record.mutable_dkim_key()->mutable_signatures();
    signatures->set_message_count(counts->messages);
    signatures->set_pass_count(counts->passed);
    signatures->set_fail_count(counts->failed);
  }
}

// The look-ups of expanding failed, or the record is void: which of the two decides who has to act.
absl::Status ExpansionError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return WithReason(status, Reason::kRecordSyntax);
    case absl::StatusCode::kNotFound:
      return WithReason(status, Reason::kResourceNotFound);
    case absl::StatusCode::kFailedPrecondition:
      return WithReason(status, Reason::kSpfMultiple);
    default:
      return WithReason(MakeError(absl::StatusCode::kUnavailable, MessageOf(status)),
                        Reason::kDnsUnavailable);
  }
}

class RecordServiceImpl final : public v1::RecordService::CallbackService {
 public:
  RecordServiceImpl(const ServiceParts& parts, Resolver& resolver,
                    AuthoritativeResolver& authoritative, ObservationStore& observations,
                    InboundLook look_inbound)
      : parts_(parts),
        resolver_(resolver),
        authoritative_(authoritative),
        observations_(observations),
        look_inbound_(std::move(look_inbound)) {}

  grpc::ServerUnaryReactor* InspectRecords(grpc::CallbackServerContext* context,
                                           const v1::InspectRecordsRequest* request,
                                           v1::InspectRecordsResponse* response) override {
    // Strangers' mail servers take longer than the DNS does.
    const CallKind kind = request->inbound() ? CallKind::kMutation : CallKind::kRead;
    return ServeUnary(parts_.host, kind, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Inspect(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* LintRecords(grpc::CallbackServerContext* context,
                                        const v1::LintRecordsRequest* request,
                                        v1::LintRecordsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Lint(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* ListRecordHistory(grpc::CallbackServerContext* context,
                                              const v1::ListRecordHistoryRequest* request,
                                              v1::ListRecordHistoryResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call& call, const auto& in, auto* out) {
          return ToGrpc(dmarcate::ListRecordHistory(parts_, observations_, call, in, out));
        });
  }
  grpc::ServerUnaryReactor* ExpandSpf(grpc::CallbackServerContext* context,
                                      const v1::ExpandSpfRequest* request,
                                      v1::ExpandSpfResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Expand(call, in, out));
                      });
  }

 private:
  absl::Status Inspect(const Call& call, const v1::InspectRecordsRequest& in,
                       v1::InspectRecordsResponse* out);
  absl::Status LookInbound(const Call& call, const DomainName& domain, const Posture& posture,
                           v1::InboundPosture* out);
  // OK as long as somebody waits for the answer and policyd is not told to end.
  absl::Status Wanted(const Call& call) const;
  absl::Status Lint(const Call& call, const v1::LintRecordsRequest& in,
                    v1::LintRecordsResponse* out);
  absl::Status LintText(const std::string& text, v1::LintRecordsResponse* out);
  absl::Status Expand(const Call& call, const v1::ExpandSpfRequest& in, v1::ExpandSpfResponse* out);
  // What reports of the last 30 days say; null for a domain that nobody manages, and where there
  // are no reports to be read.
  std::shared_ptr<const DomainStatistics> Reported(const Call& call, const DomainName& domain);

  const ServiceParts& parts_;
  Resolver& resolver_;
  AuthoritativeResolver& authoritative_;
  ObservationStore& observations_;
  const InboundLook look_inbound_;
  std::counting_semaphore<kMaxInboundLooks> inbound_looks_{kMaxInboundLooks};
};

std::shared_ptr<const DomainStatistics> RecordServiceImpl::Reported(const Call& call,
                                                                    const DomainName& domain) {
  if (!parts_.policies.GetDomain(domain.text()).ok()) return nullptr;
  return parts_.analysis.Get(call, domain.text(), DefaultRange(parts_.clock)).value_or(nullptr);
}

absl::Status RecordServiceImpl::Inspect(const Call& call, const v1::InspectRecordsRequest& in,
                                        v1::InspectRecordsResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName domain, ReadDomain(in.parent()));
  std::vector<v1::RecordType> types;
  for (const int type : in.types()) {
    if (!v1::RecordType_IsValid(type) || type == v1::RECORD_TYPE_UNSPECIFIED) {
      return FieldError("types", "unknown record type");
    }
    types.push_back(static_cast<v1::RecordType>(type));
  }
  std::vector<std::string> named(in.dkim_selectors().begin(), in.dkim_selectors().end());
  if (named.size() > kMaxSelectors) {
    return FieldError("dkim_selectors",
                      fmt::format("{} selectors, limit {}", named.size(), kMaxSelectors));
  }
  for (const std::string& selector : named) {
    if (!IsSelector(selector)) {
      return FieldError("dkim_selectors", fmt::format("\"{}\" is no selector",
                                                      EscapeForTerminal(selector.substr(0, 100))));
    }
  }
  const auto wanted = [&types](v1::RecordType type) {
    return types.empty() || std::ranges::find(types, type) != types.end();
  };
  PostureOptions options = MakeOptions();
  options.budget.stop = [this, &call] { return !Wanted(call).ok(); };
  std::shared_ptr<const DomainStatistics> reported;
  if (wanted(v1::RECORD_TYPE_DKIM)) {
    reported = Reported(call, domain);
    options.selectors = reported == nullptr ? std::move(named)
                                            : ReportedSelectors(*reported, std::move(named)).names;
  }
  // Only what was asked for is looked up, all of it within one budget.
  const absl::Time began = parts_.clock.Now();
  LookupMeter meter(parts_.clock, options.budget);
  BudgetedResolver resolver(resolver_, meter);
  BudgetedAuthoritativeResolver authoritative(authoritative_, meter);
  Posture posture;
  LiveViews views;
  if (wanted(v1::RECORD_TYPE_SPF)) views.spf = &posture.spf.view;
  if (wanted(v1::RECORD_TYPE_DMARC)) views.dmarc = &posture.dmarc.view;
  if (types.empty()) {
    posture = InspectDomain(domain, resolver, authoritative, parts_.clock, options);
    ToMessage(posture, types, out);
  } else {
    if (wanted(v1::RECORD_TYPE_SPF)) {
      posture.spf = InspectSpf(domain, resolver, authoritative, parts_.clock, options);
      ToMessage(posture.spf, out->add_records());
    }
    if (wanted(v1::RECORD_TYPE_DMARC)) {
      posture.dmarc = InspectDmarc(domain, resolver, authoritative, options);
      ToMessage(posture.dmarc, out->add_records());
    }
    for (const std::string& selector : options.selectors) {
      ToMessage(InspectDkim(domain, selector, resolver, authoritative, options),
                out->add_records());
    }
    const bool mta_sts = wanted(v1::RECORD_TYPE_MTA_STS);
    const bool tls_rpt = wanted(v1::RECORD_TYPE_TLS_RPT);
    if (wanted(v1::RECORD_TYPE_MX) || mta_sts || tls_rpt || in.inbound()) {
      posture.mx = InspectMx(domain, resolver, authoritative, options);
    }
    const ReceivesMail receives_mail = MayReceiveMail(posture.mx);
    if (wanted(v1::RECORD_TYPE_MX)) ToMessage(posture.mx, out->add_records());
    if (mta_sts || in.inbound()) {
      posture.mta_sts = InspectMtaSts(domain, receives_mail, resolver, authoritative, options);
    }
    if (mta_sts) ToMessage(posture.mta_sts, out->add_records());
    if (tls_rpt) {
      ToMessage(InspectTlsRpt(domain, receives_mail, resolver, authoritative, options),
                out->add_records());
    }
    out->set_consistent(std::ranges::all_of(
        out->records(), [](const v1::LiveRecord& record) { return record.consistent(); }));
    *out->mutable_read_time() = ToTimestamp(parts_.clock.Now());
  }
  DMARCATE_RETURN_IF_ERROR(Wanted(call));  // else what was not asked would pass for an answer
  if (LearnedNothing(*out)) {
    return ReasonError(Reason::kDnsUnavailable,
                       fmt::format("{}: neither the resolver nor any server answered: {}",
                                   domain.text(), out->records(0).error()));
  }
  if (reported != nullptr) CountSignatures(reported->by_selector, out);
  if (in.inbound()) {
    DMARCATE_RETURN_IF_ERROR(LookInbound(call, domain, posture, out->mutable_inbound()));
  }
  return TellDrift(parts_, observations_, domain, views, began, out);
}

absl::Status RecordServiceImpl::LookInbound(const Call& call, const DomainName& domain,
                                            const Posture& posture, v1::InboundPosture* out) {
  if (!inbound_looks_.try_acquire()) {
    return ReasonError(Reason::kRateLimited,
                       fmt::format("{} looks at mail servers run already", kMaxInboundLooks));
  }
  ToMessage(look_inbound_(domain, posture.mx, posture.mta_sts,
                          call.deadline() - parts_.clock.Now() - kAnswerTime,
                          [this, &call] { return !Wanted(call).ok(); }),
            out);
  inbound_looks_.release();
  return Wanted(call);
}

absl::Status RecordServiceImpl::Wanted(const Call& call) const {
  if (call.cancelled()) return Cancelled();
  if (!parts_.host.draining()) return absl::OkStatus();
  return ReasonError(Reason::kShuttingDown, "the daemon is shutting down");
}

absl::Status RecordServiceImpl::LintText(const std::string& text, v1::LintRecordsResponse* out) {
  if (text.size() > kMaxRecordOctets) {
    return ReasonError(Reason::kFieldTooLong,
                       fmt::format("text: {} octets, limit {}", text.size(), kMaxRecordOctets),
                       {{"field", "text"}});
  }
  const auto findings = LintRecordText(text);
  if (!findings.has_value()) {
    return ReasonError(
        Reason::kRecordSyntax,
        "text: no version tag of a record begins it, such as v=spf1, v=DMARC1, v=DKIM1, "
        "v=STSv1, v=TLSRPTv1 or v=BIMI1; neither does a key of an MTA-STS policy, such as mode:, "
        "nor a TLSA record, such as 3 1 1",
        {{"field", "text"}});
  }
  for (const LintFinding& finding : *findings) ToMessage(finding, out->add_findings());
  return absl::OkStatus();
}

absl::Status RecordServiceImpl::Lint(const Call& call, const v1::LintRecordsRequest& in,
                                     v1::LintRecordsResponse* out) {
  switch (in.target_case()) {
    case v1::LintRecordsRequest::kText:
      return LintText(in.text(), out);
    case v1::LintRecordsRequest::kParent: {
      DMARCATE_ASSIGN_OR_RETURN(const DomainName domain, ReadDomain(in.parent()));
      PostureOptions options = MakeOptions();
      options.budget.stop = [this, &call] { return !Wanted(call).ok(); };
      if (const auto reported = Reported(call, domain); reported != nullptr) {
        options.selectors = ReportedSelectors(*reported).names;
      }
      const Posture posture =
          InspectDomain(domain, resolver_, authoritative_, parts_.clock, options);
      DMARCATE_RETURN_IF_ERROR(Wanted(call));  // else what was not asked would pass for an answer
      for (const LintFinding& finding : posture.AllFindings()) {
        ToMessage(finding, out->add_findings());
      }
      return absl::OkStatus();
    }
    case v1::LintRecordsRequest::TARGET_NOT_SET:
      break;
  }
  return FieldRequired("target");
}

absl::Status RecordServiceImpl::Expand(const Call& call, const v1::ExpandSpfRequest& in,
                                       v1::ExpandSpfResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName domain, ReadDomain(in.parent()));
  if (in.text().size() > kMaxRecordOctets) {
    return ReasonError(Reason::kFieldTooLong,
                       fmt::format("text: {} octets, limit {}", in.text().size(), kMaxRecordOctets),
                       {{"field", "text"}});
  }
  SpfTreeBudget budget = MakeBudget();
  budget.stop = [this, &call] { return !Wanted(call).ok(); };
  const absl::StatusOr<SpfTree> tree =
      in.text().empty() ? dmarcate::ExpandSpf(domain, resolver_, parts_.clock, budget)
                        : ExpandSpfText(domain, in.text(), resolver_, parts_.clock, budget);
  DMARCATE_RETURN_IF_ERROR(Wanted(call));  // else what was not asked would pass for an answer
  if (!tree.ok()) return ExpansionError(tree.status());
  ToMessage(*tree, out->mutable_tree());
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeRecordService(const ServiceParts& parts, Resolver& resolver,
                                                 AuthoritativeResolver& authoritative,
                                                 ObservationStore& observations,
                                                 InboundLook look_inbound) {
  return std::make_unique<RecordServiceImpl>(parts, resolver, authoritative, observations,
                                             std::move(look_inbound));
}

}  // namespace dmarcate
