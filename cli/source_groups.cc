#include "cli/source_groups.h"

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/source_text.h"
#include "dmarcate/v1/source.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::SourceService::Stub;
using Groupings = google::protobuf::RepeatedPtrField<v1::SourceGrouping>;

struct Options {
  std::string domain, source, into, split_id, note;
  std::vector<std::string> sources, ranges;
  bool dry_run = false;
};

template <typename Response>
void PrintOne(const App& app, const Response& response, bool dry_run) {
  Groupings one;
  *one.Add() = response.grouping();
  Print(app.format(), response.grouping(), "", GroupingTable(one));
  if (dry_run) app.Note("checked only; nothing was kept");
}

int Merge(App* app, const Options& options) {
  v1::MergeSourcesRequest request;
  request.set_name(ChildResource(options.into, "sources", options.domain));
  if (request.name().empty()) return app->MissingDomain("sources merge", options.into);
  for (const std::string& source : options.sources) {
    request.add_sources(std::string(LastSegment(source)));
  }
  request.set_note(options.note);
  request.set_validate_only(options.dry_run);
  v1::MergeSourcesResponse response;
  const auto stub = v1::SourceService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::MergeSources, request, &response);
  if (!status.ok()) return app->Fail("sources not merged", status);
  Print(app->format(), response, "groupings", GroupingTable(response.groupings()));
  if (options.dry_run) app->Note("checked only; nothing was kept");
  return kDone;
}

int Split(App* app, const Options& options) {
  v1::SplitSourceRequest request;
  request.set_name(ChildResource(options.source, "sources", options.domain));
  if (request.name().empty()) return app->MissingDomain("sources split", options.source);
  request.set_split_id(options.split_id);
  for (const std::string& range : options.ranges) request.add_ranges(range);
  request.set_note(options.note);
  request.set_validate_only(options.dry_run);
  v1::SplitSourceResponse response;
  const auto stub = v1::SourceService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::SplitSource, request, &response);
  if (!status.ok()) return app->Fail("source not split", status);
  PrintOne(*app, response, options.dry_run);
  return kDone;
}

int Ungroup(App* app, const Options& options) {
  v1::UngroupSourceRequest request;
  request.set_name(ChildResource(options.source, "sources", options.domain));
  if (request.name().empty()) return app->MissingDomain("sources ungroup", options.source);
  request.set_validate_only(options.dry_run);
  v1::UngroupSourceResponse response;
  const auto stub = v1::SourceService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::UngroupSource, request, &response);
  if (App::ReasonOf(status) == "RESOURCE_NOT_FOUND" &&
      status.error_message().starts_with(request.name())) {
    return app->Fail(kNotFound, "RESOURCE_NOT_FOUND", "nothing taken back",
                     fmt::format("{} is neither merged nor split", LastSegment(request.name())),
                     {fmt::format("list what is: dmarcate sources groupings {}",
                                  dmarcate::Split(request.name(), '/')[1])});
  }
  if (!status.ok()) return app->Fail("nothing taken back", status);
  PrintOne(*app, response, options.dry_run);
  return kDone;
}

int List(App* app, const Options& options) {
  v1::ListSourceGroupingsRequest request;
  request.set_parent(DomainResource(options.domain));
  v1::ListSourceGroupingsResponse response;
  const auto stub = v1::SourceService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListSourceGroupings, request, &response);
  if (!status.ok()) return app->Fail("groupings not listed", status);
  Print(app->format(), response, "groupings", GroupingTable(response.groupings()));
  return kDone;
}

}  // namespace

void AddSourceGroups(CLI::App* group, App* app) {
  auto options = std::make_shared<Options>();
  const auto common = [&options](CLI::App* command) {
    command->add_option("--domain", options->domain, "domain of the sources");
    command->add_option("--note", options->note, "why; kept with it");
    command->add_flag("--dry-run", options->dry_run, "check only");
  };
  CLI::App* merge = group->add_subcommand("merge", "let sources count as another one, in all days");
  merge->add_option("SOURCE", options->sources, "whose mail it is")->required();
  merge->add_option("--into", options->into, "as whose it counts")->required();
  common(merge);
  merge->footer(
      "Examples:\n  dmarcate sources merge ip-192-0-2-10 dkim-mailer.example --into "
      "own-example.com --domain example.com");
  app->OnSelected(merge, [app, options] { return Merge(app, *options); });

  CLI::App* split =
      group->add_subcommand("split", "let a source's mail from some addresses count by itself");
  split->add_option("SOURCE", options->source, "the source that is split")->required();
  split->add_option("--as", options->split_id, "its name: \"shop\" becomes split-shop")->required();
  split->add_option("--range", options->ranges, "192.0.2.0/24, 2001:db8::1")
      ->required()
      ->delimiter(',');
  common(split);
  split->footer(
      "Examples:\n  dmarcate sources split own-example.com --as shop --range 192.0.2.0/28 "
      "--domain example.com");
  app->OnSelected(split, [app, options] { return Split(app, *options); });

  CLI::App* ungroup = group->add_subcommand("ungroup", "take a merge or a split back");
  ungroup->add_option("SOURCE", options->source, "that was merged, or was split off")->required();
  ungroup->add_option("--domain", options->domain, "domain of the source");
  ungroup->add_flag("--dry-run", options->dry_run, "check only");
  ungroup->footer("Examples:\n  dmarcate sources ungroup split-shop --domain example.com");
  app->OnSelected(ungroup, [app, options] { return Ungroup(app, *options); });

  CLI::App* groupings = group->add_subcommand("groupings", "what was merged and split");
  groupings->add_option("DOMAIN", options->domain)->required();
  groupings->footer("Examples:\n  dmarcate sources groupings example.com -o csv");
  app->OnSelected(groupings, [app, options] { return List(app, *options); });
}

}  // namespace dmarcate::cli
