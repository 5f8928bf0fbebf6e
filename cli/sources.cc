// dmarcate sources: who sends as a domain, and what was decided about it.

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/review.h"
#include "cli/source_groups.h"
#include "cli/source_text.h"
#include "cli/stats_text.h"
#include "dmarcate/v1/source.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::SourceService::Stub;

struct Options {
  std::string domain, note, etag, include;
  std::vector<std::string> sources, states, ranges;
  bool dkim_only = false, already_authorized = false, dry_run = false;
  PageOptions page;
  DateRangeOptions range;
};

std::string ResourceOf(const Options& options, const std::string& source) {
  return ChildResource(source, "sources", options.domain);
}

// The etag that the user passed, or that of the evidence as it is now.
grpc::Status EvidenceEtag(App* app, Stub& stub, const Options& options, const std::string& name,
                          std::string* etag) {
  *etag = options.etag;
  if (!etag->empty()) return grpc::Status::OK;
  v1::GetSourceRequest request;
  request.set_name(name);
  v1::GetSourceResponse response;
  const grpc::Status status = Call(app, stub, &Stub::GetSource, request, &response);
  if (status.ok()) *etag = response.source().evidence_etag();
  return status;
}

// Approve, reject and reset differ only in the message: `fill` sets what is special.
template <typename Request, typename Response, typename Fill>
int Decide(App* app, const Options& options, std::string_view command, std::string_view verb,
           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
           Fill fill) {
  const auto stub = v1::SourceService::NewStub(app->policyd());
  Response all;  // the last answer, for JSON of one
  google::protobuf::RepeatedPtrField<v1::Source> decided;
  int failed = 0, code = kDone;
  for (const std::string& source : options.sources) {
    const std::string name = ResourceOf(options, source);
    if (name.empty()) return app->MissingDomain(fmt::format("sources {}", command), source);
    Request request;
    request.set_name(name);
    request.set_note(options.note);
    request.set_validate_only(options.dry_run);
    std::string etag;
    grpc::Status status = EvidenceEtag(app, *stub, options, name, &etag);
    if (status.ok()) {
      request.set_evidence_etag(etag);
      fill(&request);
      status = Call(app, *stub, method, request, &all);
    }
    if (!status.ok()) {
      ++failed;
      code = app->Fail(fmt::format("{} not {}", LastSegment(name), verb), status);
      continue;
    }
    *decided.Add() = all.source();
  }
  if (decided.size() == 1) {
    Print(app->format(), decided[0], "", SourceTable(decided));
  } else if (!decided.empty()) {
    v1::ListSourcesResponse list;
    *list.mutable_sources() = decided;
    Print(app->format(), list, "sources", SourceTable(decided));
  }
  if (failed > 0 && !decided.empty()) return kPartFailed;
  if (options.dry_run) {
    app->Note("checked only; nothing was kept");
  } else if (failed == 0 && app->format() == Format::kTable) {
    app->Note(fmt::format("{}; nothing was written to DNS. next: dmarcate changes plan {}", verb,
                          options.domain.empty() ? "DOMAIN" : options.domain));
  }
  return code;
}

int News(App* app, const Options& options) {
  v1::CompareSourcesRequest request;
  request.set_parent(DomainResource(options.domain));
  if (const auto status = options.range.Fill(request.mutable_date_range()); !status.ok()) {
    return app->Fail("sources not compared", status);
  }
  v1::CompareSourcesResponse response;
  const auto stub = v1::SourceService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::CompareSources, request, &response);
  if (!status.ok()) return app->Fail("sources not compared", status);
  Print(app->format(), response, "changes", SourceChangeTable(response));
  app->Note(fmt::format("{}{} to {}, beside {} to {}",
                        response.changes().empty() ? "nothing new: " : "",
                        Text(response.after().first_date()), Text(response.after().last_date()),
                        Text(response.before().first_date()), Text(response.before().last_date())));
  if (response.left_out() > 0) app->Note(fmt::format("{} more", response.left_out()));
  return kDone;
}

void AddDecisions(CLI::App* group, App* app, const std::shared_ptr<Options>& options) {
  const auto common = [&options](CLI::App* command) {
    command->add_option("SOURCE", options->sources, "source ids or resource names")->required();
    command->add_option("--domain", options->domain, "domain of the sources");
    command->add_option("--note", options->note, "why; kept with the decision");
    command->add_option("--etag", options->etag,
                        "evidence_etag that was seen; default: as it is now");
    command->add_flag("--dry-run", options->dry_run, "check only");
  };
  CLI::App* approve =
      group->add_subcommand("approve", "let sources into the next plan; writes no DNS");
  common(approve);
  approve->add_option("--spf-include", options->include, "authorise by include:NAME");
  approve->add_option("--spf-addresses", options->ranges, "authorise by address ranges")
      ->delimiter(',');
  approve->add_flag("--dkim-only", options->dkim_only, "add nothing to SPF");
  approve->add_flag("--already-authorized", options->already_authorized,
                    "the live SPF record covers it");
  approve->footer(
      "Examples:\n  dmarcate sources approve sendgrid --domain example.com\n"
      "  dmarcate sources approve ip-192-0-2-10 --domain example.com "
      "--spf-addresses 192.0.2.10");
  app->OnSelected(approve, [app, options] {
    return Decide(
        app, *options, "approve", "approved", &Stub::ApproveSource,
        [&options](v1::ApproveSourceRequest* request) {
          if (!options->include.empty()) {
            request->mutable_authorization()->mutable_spf_include()->set_domain(options->include);
          } else if (!options->ranges.empty()) {
            for (const std::string& range : options->ranges) {
              request->mutable_authorization()->mutable_spf_addresses()->add_ranges(range);
            }
          } else if (options->dkim_only) {
            request->mutable_authorization()->mutable_dkim_only();
          } else if (options->already_authorized) {
            request->mutable_authorization()->mutable_already_authorized();
          }
        });
  });

  CLI::App* reject = group->add_subcommand("reject", "mark sources as not ours; writes no DNS");
  common(reject);
  reject->footer(
      "Examples:\n  dmarcate sources reject ip-192-0-2-10 --domain example.com --note spoofing");
  app->OnSelected(reject, [app, options] {
    return Decide(app, *options, "reject", "rejected", &Stub::RejectSource,
                  [](v1::RejectSourceRequest*) {});
  });

  CLI::App* reset = group->add_subcommand("reset", "take decisions back");
  common(reset);
  reset->footer("Examples:\n  dmarcate sources reset sendgrid --domain example.com");
  app->OnSelected(reset, [app, options] {
    return Decide(app, *options, "reset", "reset", &Stub::ResetSource,
                  [](v1::ResetSourceRequest*) {});
  });
}

}  // namespace

void AddSources(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("sources", "who sends as a domain")->alias("source");
  group->require_subcommand(1);

  CLI::App* list = group->add_subcommand("list", "sources of a domain, largest first");
  list->add_option("DOMAIN", options->domain)->required();
  list->add_option("--state", options->states, "pending, approved, rejected")
      ->check(CLI::IsMember({"pending", "approved", "rejected"}));
  options->page.Add(list);
  options->range.Add(list);
  list->footer(
      "Examples:\n  dmarcate sources list example.com --days 90\n"
      "  dmarcate sources list example.com --state pending -o csv");
  app->OnSelected(list, [app, options] {
    v1::ListSourcesRequest request;
    request.set_parent(DomainResource(options->domain));
    options->page.Fill(&request);
    if (const auto status = options->range.Fill(request.mutable_date_range()); !status.ok()) {
      return app->Fail("sources not listed", status);
    }
    for (const std::string& state : options->states) {
      request.add_states(state == "pending"    ? v1::Source::STATE_PENDING
                         : state == "approved" ? v1::Source::STATE_APPROVED
                                               : v1::Source::STATE_REJECTED);
    }
    v1::ListSourcesResponse response;
    const auto stub = v1::SourceService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::ListSources, request, &response);
    if (!status.ok()) return app->Fail("sources not listed", status);
    Print(app->format(), response, "sources", SourceTable(response.sources()));
    if (response.sources().empty()) {
      app->Note(options->states.empty() ? kNoReportsNote : "no source in that state in these days");
    }
    if (response.declarations_pending()) {
      app->Note(
          "what its own DNS declares is being looked up; ask again in half a minute for sources "
          "that no report has told of");
    }
    NoteNextPage(*app, response);
    return static_cast<int>(kDone);
  });

  const auto one = [&options](CLI::App* command) {
    command->add_option("SOURCE", options->sources, "source id or resource name")
        ->required()
        ->expected(1);
    command->add_option("--domain", options->domain, "domain of the source");
    options->range.Add(command);
  };
  CLI::App* get = group->add_subcommand("get", "one source");
  one(get);
  get->footer("Examples:\n  dmarcate sources get sendgrid --domain example.com -o json");
  app->OnSelected(get, [app, options] {
    v1::GetSourceRequest request;
    request.set_name(ResourceOf(*options, options->sources.front()));
    if (request.name().empty()) {
      return app->MissingDomain("sources get", options->sources.front());
    }
    if (const auto status = options->range.Fill(request.mutable_date_range()); !status.ok()) {
      return app->Fail("source not read", status);
    }
    v1::GetSourceResponse response;
    const auto stub = v1::SourceService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::GetSource, request, &response);
    if (!status.ok()) return app->Fail("source not read", status);
    Print(app->format(), response.source(), "", OneSource(response.source()));
    return static_cast<int>(kDone);
  });

  CLI::App* explain =
      group->add_subcommand("explain", "why it is what it is, what approving would change");
  one(explain);
  explain->footer("Examples:\n  dmarcate sources explain sendgrid --domain example.com");
  app->OnSelected(explain, [app, options] {
    v1::ExplainSourceRequest request;
    request.set_name(ResourceOf(*options, options->sources.front()));
    if (request.name().empty()) {
      return app->MissingDomain("sources explain", options->sources.front());
    }
    if (const auto status = options->range.Fill(request.mutable_date_range()); !status.ok()) {
      return app->Fail("source not explained", status);
    }
    v1::ExplainSourceResponse response;
    const auto stub = v1::SourceService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::ExplainSource, request, &response);
    if (!status.ok()) return app->Fail("source not explained", status);
    if (app->format() == Format::kTable || app->format() == Format::kWide) {
      WriteOut(ExplainText(response));
    } else {
      Print(app->format(), response, "", EvidenceTable(response));
    }
    return static_cast<int>(kDone);
  });

  CLI::App* ips = group->add_subcommand("ips", "addresses of a source, largest first");
  one(ips);
  options->page.Add(ips);
  ips->footer("Examples:\n  dmarcate sources ips sendgrid --domain example.com -o csv");
  app->OnSelected(ips, [app, options] {
    v1::ListSourceAddressesRequest request;
    request.set_parent(ResourceOf(*options, options->sources.front()));
    if (request.parent().empty()) {
      return app->MissingDomain("sources ips", options->sources.front());
    }
    options->page.Fill(&request);
    if (const auto status = options->range.Fill(request.mutable_date_range()); !status.ok()) {
      return app->Fail("addresses not listed", status);
    }
    v1::ListSourceAddressesResponse response;
    const auto stub = v1::SourceService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::ListSourceAddresses, request, &response);
    if (!status.ok()) return app->Fail("addresses not listed", status);
    Print(app->format(), response, "addresses", AddressTable(response));
    NoteNextPage(*app, response);
    return static_cast<int>(kDone);
  });

  CLI::App* news = group->add_subcommand(
      "news", "new, silent, better and worse sources, beside as many days before");
  news->add_option("DOMAIN", options->domain)->required();
  options->range.Add(news);
  news->footer(
      "Examples:\n  dmarcate sources news example.com --days 7\n"
      "  dmarcate sources news example.com -o csv");
  app->OnSelected(news, [app, options] { return News(app, *options); });

  CLI::App* review = group->add_subcommand(
      "review", "one pending source after the other, evidence first; one plan at the end");
  review->add_option("DOMAIN", options->domain)->required();
  review->add_option("--note", options->note, "why; kept with each decision");
  review->add_flag("--dry-run", options->dry_run, "check only");
  options->range.Add(review);
  review->footer(
      "Keys, each with Enter: a approve, r reject, s skip, e all evidence, i addresses, u back, q "
      "quit.\nNothing is kept before the end, and nothing is written to the DNS.\n"
      "Examples:\n  dmarcate sources review example.com\n"
      "  printf 'a\\nr\\nq\\n' | dmarcate sources review example.com --yes");
  app->OnSelected(review, [app, options] {
    return Review(app, {.domain = options->domain,
                        .note = options->note,
                        .range = options->range,
                        .dry_run = options->dry_run});
  });

  AddDecisions(group, app, options);
  AddSourceGroups(group, app);
}

}  // namespace dmarcate::cli
