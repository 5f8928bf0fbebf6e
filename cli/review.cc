#include "cli/review.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "cli/call.h"
#include "cli/change_text.h"
#include "cli/messages.h"
#include "cli/review_queue.h"
#include "cli/source_text.h"
#include "dmarcate/v1/change.grpc.pb.h"
#include "dmarcate/v1/source.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::SourceService::Stub;

constexpr char kKeys[] =
    "a approve, r reject, s skip, e all evidence, i addresses, u back, q quit\n";

class Session {
 public:
  Session(App* app, const ReviewOptions& options)
      : app_(app), options_(options), stub_(v1::SourceService::NewStub(app->policyd())) {}

  // All pending sources, largest first.
  grpc::Status Read() {
    v1::ListSourcesRequest request;
    request.set_parent(DomainResource(options_.domain));
    request.set_page_size(1000);
    request.add_states(v1::Source::STATE_PENDING);
    if (const auto range = options_.range.Fill(request.mutable_date_range()); !range.ok()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, std::string(ToStd(range.message()))};
    }
    for (;;) {
      v1::ListSourcesResponse response;
      const grpc::Status status = Call(app_, *stub_, &Stub::ListSources, request, &response);
      if (!status.ok()) return status;
      for (v1::Source& source : *response.mutable_sources()) {
        sources_.push_back(std::move(source));
      }
      if (response.next_page_token().empty()) return grpc::Status::OK;
      request.set_page_token(response.next_page_token());
    }
  }
  size_t size() const { return sources_.size(); }
  const v1::Source& source(size_t index) const { return sources_[index]; }

  grpc::Status Explain(size_t index, v1::ExplainSourceResponse* response) {
    v1::ExplainSourceRequest request;
    request.set_name(sources_[index].name());
    options_.range.Fill(request.mutable_date_range()).IgnoreError();  // read before
    return Call(app_, *stub_, &Stub::ExplainSource, request, response);
  }
  grpc::Status Addresses(size_t index, v1::ListSourceAddressesResponse* response) {
    v1::ListSourceAddressesRequest request;
    request.set_parent(sources_[index].name());
    options_.range.Fill(request.mutable_date_range()).IgnoreError();
    return Call(app_, *stub_, &Stub::ListSourceAddresses, request, response);
  }
  // With the evidence that was shown: if it has changed meanwhile, nothing is decided.
  grpc::Status Keep(const ReviewQueue::Decision& decision, const std::string& etag) {
    const std::string& name = sources_[decision.index].name();
    if (decision.approve) {
      v1::ApproveSourceRequest request;
      request.set_name(name);
      request.set_evidence_etag(etag);
      request.set_note(options_.note);
      request.set_validate_only(options_.dry_run);
      v1::ApproveSourceResponse response;
      return Call(app_, *stub_, &Stub::ApproveSource, request, &response);
    }
    v1::RejectSourceRequest request;
    request.set_name(name);
    request.set_evidence_etag(etag);
    request.set_note(options_.note);
    request.set_validate_only(options_.dry_run);
    v1::RejectSourceResponse response;
    return Call(app_, *stub_, &Stub::RejectSource, request, &response);
  }

 private:
  App* const app_;
  const ReviewOptions& options_;
  const std::unique_ptr<Stub> stub_;
  std::vector<v1::Source> sources_;
};

std::string Head(const v1::Source& source, size_t index, size_t count,
                 const v1::ExplainSourceResponse& why) {
  const v1::MessageCounts& counts = source.stats().counts();
  std::string out =
      fmt::format("\n{} of {}: {} ({})\n  {}, {} pass DMARC, from {} address{}, seen by {}\n",
                  index + 1, count, EscapeForTerminal(source.display_name()),
                  LastSegment(source.name()), Counted(counts.message_count(), "message"),
                  FormatRate(counts.dmarc_pass_count(), counts.message_count()),
                  source.stats().address_count(), source.stats().address_count() == 1 ? "" : "es",
                  Counted(source.stats().reporter_count(), "reporter"));
  out += fmt::format("  {}: {}\n", EnumText(v1::Source::Kind_Name(source.kind()), "KIND_"),
                     EscapeForTerminal(source.kind_reason()));
  constexpr int kShown = 3;
  for (int i = 0; i < std::min(kShown, why.evidence_size()); ++i) {
    out += fmt::format("  {}: {}\n", why.evidence(i).verdict(),
                       EscapeForTerminal(why.evidence(i).claim()));
  }
  out += fmt::format("  {}\n", EscapeForTerminal(why.advice()));
  return out;
}

// One plan for all that was decided; what hinders it is told, and takes nothing back.
void Plan(App* app, const std::string& domain) {
  v1::CreateChangeRequest request;
  request.set_parent(DomainResource(domain));
  request.mutable_intent()->set_spf_from_decisions(true);
  v1::CreateChangeResponse response;
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  const grpc::Status status =
      Call(app, *stub, &v1::ChangeService::Stub::CreateChange, request, &response);
  if (!status.ok()) {
    app->Note(fmt::format("the decisions are kept; no plan was made: {}",
                          EscapeForTerminal(status.error_message())));
    return;
  }
  WriteOut("\n" + ChangeText(response.change()));
}

}  // namespace

int Review(App* app, const ReviewOptions& options) {
  Session session(app, options);
  if (const grpc::Status status = session.Read(); !status.ok()) {
    return app->Fail("sources not listed", status);
  }
  if (session.size() == 0) {
    app->Note("nothing is pending");
    return kDone;
  }
  WriteOut(kKeys);
  ReviewQueue queue(session.size());
  std::vector<std::string> etags(session.size());
  v1::ExplainSourceResponse why;
  size_t shown = session.size();  // none
  while (!queue.done()) {
    const size_t at = queue.current();
    if (shown != at) {
      why.Clear();
      if (const grpc::Status status = session.Explain(at, &why); !status.ok()) {
        return app->Fail("source not explained; nothing was kept", status);
      }
      etags[at] = why.evidence_etag();
      WriteOut(Head(session.source(at), at, session.size(), why));
      shown = at;
    }
    WriteOut("> ");
    FlushOut();
    std::string line;
    if (!std::getline(std::cin, line)) break;  // as q
    const std::optional<ReviewKey> key = ReadReviewKey(line);
    if (!key) continue;
    if (*key == ReviewKey::kQuit) break;
    switch (*key) {
      case ReviewKey::kApprove:
        if (!why.has_proposed_authorization()) {
          WriteOut(
              fmt::format("nothing can be proposed for it: dmarcate sources approve {} "
                          "--domain {} --dkim-only, or --spf-include NAME\n",
                          LastSegment(session.source(at).name()), options.domain));
          break;
        }
        queue.Answer(*key);
        break;
      case ReviewKey::kReject:
      case ReviewKey::kSkip:
        queue.Answer(*key);
        break;
      case ReviewKey::kUndo:
        if (!queue.Undo()) WriteOut("this is the first one\n");
        break;
      case ReviewKey::kExplain:
        WriteOut(ExplainText(why));
        break;
      case ReviewKey::kIps: {
        v1::ListSourceAddressesResponse response;
        const grpc::Status status = session.Addresses(at, &response);
        WriteOut(status.ok() ? AddressTable(response).Render(Format::kTable)
                             : EscapeForTerminal(status.error_message()) + "\n");
        break;
      }
      default:
        WriteOut(kKeys);
    }
  }
  const std::vector<ReviewQueue::Decision> decisions = queue.decisions();
  if (decisions.empty()) {
    app->Note("nothing was decided");
    return kDone;
  }
  WriteOut("\n");
  for (const ReviewQueue::Decision& decision : decisions) {
    WriteOut(fmt::format("{} {}\n", decision.approve ? "approve" : "reject ",
                         LastSegment(session.source(decision.index).name())));
  }
  if (!app->Confirm(Confirmation::kMild, "Keep these decisions?")) return kFailed;
  int failed = 0, code = kDone;
  for (const ReviewQueue::Decision& decision : decisions) {
    const grpc::Status status = session.Keep(decision, etags[decision.index]);
    if (status.ok()) continue;
    ++failed;
    code = app->Fail(fmt::format("{} not decided", session.source(decision.index).name()), status);
  }
  if (options.dry_run) {
    app->Note("checked only; nothing was kept");
  } else if (static_cast<size_t>(failed) < decisions.size()) {
    Plan(app, options.domain);
  }
  return failed > 0 && static_cast<size_t>(failed) < decisions.size()
             ? static_cast<int>(kPartFailed)
             : code;
}

}  // namespace dmarcate::cli
