// dmarcate reports quarantine: what was received and is no report, with the reason; the bytes of
// it; and what to do about it.

#include "cli/quarantine.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/call.h"
#include "cli/messages.h"
#include "cli/progress.h"
#include "cli/trust_text.h"
#include "dmarcate/v1/intake.grpc.pb.h"
#include "lib/base/file.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::IntakeService::Stub;

constexpr absl::Duration kStreamTimeout = absl::Minutes(10);
constexpr std::string_view kCollection = "quarantinedMessages/";

struct Options {
  std::string message, reason, raw_file, why;
  bool all = false;
  PageOptions page;
};

std::string ResourceName(const std::string& message) {
  return message.starts_with(kCollection) ? message : fmt::format("{}{}", kCollection, message);
}

Table MessageTable() {
  return Table({{"MESSAGE"},
                {"OUTCOME"},
                {"REASON"},
                {"SIZE", Align::kRight},
                {"RECEIVED"},
                {"FILE"},
                {"DETAIL", Align::kLeft, true},
                {"SUBJECT", Align::kLeft, true}});
}

void AddRow(const v1::QuarantinedMessage& message, Table* table) {
  table->Add(message.name(),
             {std::string(LastSegment(message.name())),
              EnumText(v1::ItemOutcome_Name(message.outcome()), "ITEM_OUTCOME_"), message.reason(),
              std::to_string(message.size_bytes()), Text(message.receive_time()),
              message.file_name().value(), message.detail(), message.subject().value()});
}

int List(App* app, const PageOptions& page) {
  v1::ListQuarantinedMessagesRequest request;
  page.Fill(&request);
  v1::ListQuarantinedMessagesResponse response;
  const auto stub = v1::IntakeService::NewStub(app->ingestd());
  const grpc::Status status =
      Call(app, *stub, &Stub::ListQuarantinedMessages, request, &response, App::Daemon::kIngestd);
  if (!status.ok()) return app->Fail("quarantine not listed", status);
  Table table = MessageTable();
  for (const v1::QuarantinedMessage& message : response.quarantined_messages()) {
    AddRow(message, &table);
  }
  Print(app->format(), response, "quarantined_messages", table);
  NoteNextPage(*app, response);
  return kDone;
}

void PrintText(const v1::GetQuarantinedMessageResponse& response) {
  const v1::QuarantinedMessage& message = response.quarantined_message();
  const auto line = [](std::string_view title, std::string_view text) {
    if (!text.empty()) WriteOut(fmt::format("{:<10} {}\n", title, EscapeForTerminal(text)));
  };
  line("message", LastSegment(message.name()));
  line("outcome", EnumText(v1::ItemOutcome_Name(message.outcome()), "ITEM_OUTCOME_"));
  line("reason", message.reason());
  line("next", std::string(NextStep(message.reason())));
  line("report", message.aggregate_report());
  line("detail", message.detail());
  line("received", Text(message.receive_time()));
  line("channel", message.channel());
  line("size", fmt::format("{} bytes{}", message.size_bytes(),
                           response.raw_available() ? "" : ", which have expired"));
  line("sha256", message.content_sha256());
  line("file", message.file_name().value());
  line("subject", message.subject().value());
  line("from", message.from_domain().value());
  if (response.has_position()) line("position", fmt::format("byte {}", response.position()));
  if (response.excerpt().empty()) return;
  // Escaped by the daemon already.
  WriteOut(fmt::format("\nfrom byte {}:\n{}\n", response.excerpt_offset(), response.excerpt()));
}

// The bytes to `path`, or to standard output for "-".
int SaveRaw(App* app, Stub& stub, const std::string& name, const std::string& path) {
  v1::DownloadQuarantinedMessageRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  app->Prepare(&context, App::Daemon::kIngestd, absl::Minutes(2));
  const auto reader = stub.DownloadQuarantinedMessage(&context, request);
  std::string bytes;  // a message, so of bounded size
  v1::DownloadQuarantinedMessageResponse response;
  while (reader->Read(&response)) bytes += response.chunk();
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return app->Fail("bytes not read", status);
  if (path == "-") {
    WriteOut(bytes);
    return kDone;
  }
  if (const absl::Status written = WriteFileAtomically(path, bytes, 0600); !written.ok()) {
    return app->Fail("bytes not written", written);
  }
  app->Note(fmt::format("{}: {} bytes", path, bytes.size()));
  return kDone;
}

int Show(App* app, const Options& options) {
  const auto stub = v1::IntakeService::NewStub(app->ingestd());
  const std::string name = ResourceName(options.message);
  if (!options.raw_file.empty()) return SaveRaw(app, *stub, name, options.raw_file);
  v1::GetQuarantinedMessageRequest request;
  request.set_name(name);
  v1::GetQuarantinedMessageResponse response;
  const grpc::Status status =
      Call(app, *stub, &Stub::GetQuarantinedMessage, request, &response, App::Daemon::kIngestd);
  if (!status.ok()) return app->Fail("message not read", status);
  if (app->format() == Format::kTable) {
    PrintText(response);
  } else {
    Table table = MessageTable();
    AddRow(response.quarantined_message(), &table);
    Print(app->format(), response, "", table);
  }
  return kDone;
}

// What is meant; false: not exactly one way of saying it was used.
bool Select(const Options& options, v1::QuarantineSelector* selector) {
  const int ways =
      (options.message.empty() ? 0 : 1) + (options.reason.empty() ? 0 : 1) + (options.all ? 1 : 0);
  if (ways != 1) return false;
  if (!options.message.empty()) selector->set_name(ResourceName(options.message));
  if (!options.reason.empty()) selector->set_reason(options.reason);
  if (options.all) selector->set_all(true);
  return true;
}

int WhichOnes(App* app, std::string_view verb) {
  return app->Fail(kUsage, "USAGE", fmt::format("reports quarantine {}", verb),
                   "which messages are meant was not said in exactly one way",
                   {fmt::format("dmarcate reports quarantine {} MESSAGE", verb),
                    fmt::format("dmarcate reports quarantine {} --reason REASON", verb),
                    fmt::format("dmarcate reports quarantine {} --all", verb)});
}

// Reads progress up to the result. `done` tells how many of all a message speaks of.
template <typename Reader, typename Response, typename Done>
grpc::Status Follow(Reader& reader, const std::string& verb, Response* last, Done done) {
  std::optional<Progress> progress;
  Response response;
  while (reader.Read(&response)) {
    *last = response;
    if (!progress && response.message_count() > 0) {
      progress.emplace(verb, "messages", 0, response.message_count());
    }
    if (progress) progress->Update(0, done(response), "");
  }
  if (progress) progress->Finish();
  return WholeAnswer(reader.Finish(), *last);
}

// Of a reason or --all that fits nothing: a typo must not look like success.
std::string NothingThere(const Options& options) {
  if (options.reason.empty()) return "the quarantine is empty";
  return fmt::format("nothing there has the reason '{}': dmarcate reports quarantine list",
                     options.reason);
}

int Replay(App* app, const Options& options) {
  v1::ReplayQuarantinedMessagesRequest request;
  if (!Select(options, request.mutable_selector())) return WhichOnes(app, "replay");
  const auto stub = v1::IntakeService::NewStub(app->ingestd());
  grpc::ClientContext context;
  app->Prepare(&context, App::Daemon::kIngestd, kStreamTimeout);
  const auto reader = stub->ReplayQuarantinedMessages(&context, request);
  v1::ReplayQuarantinedMessagesResponse result;
  google::protobuf::RepeatedPtrField<v1::ReplayFailure> failures;
  const grpc::Status status = Follow(*reader, "replaying", &result, [&](const auto& response) {
    failures.MergeFrom(response.failures());  // each is told once
    return response.replayed_count() + response.failed_message_count();
  });
  *result.mutable_failures() = failures;
  if (!status.ok()) return app->Fail("not all were replayed", status);
  Table table({{"MESSAGES", Align::kRight},
               {"REPLAYED", Align::kRight},
               {"STORED", Align::kRight},
               {"DUPLICATES", Align::kRight},
               {"STILL_QUARANTINED", Align::kRight},
               {"FAILED", Align::kRight}});
  table.Add(
      "",
      {CountCell(result.message_count()), CountCell(result.replayed_count()),
       CountCell(result.stored_report_count()), CountCell(result.duplicate_report_count()),
       CountCell(result.quarantined_message_count()), CountCell(result.failed_message_count())});
  Print(app->format(), result, "", table);
  if (result.message_count() == 0) app->Note(NothingThere(options));
  for (const v1::ReplayFailure& failure : failures) {
    app->Note(fmt::format("{}: not read again: {}", LastSegment(failure.name()), failure.detail()));
  }
  if (result.failed_message_count() > failures.size()) {
    app->Note(fmt::format("and {} more", result.failed_message_count() - failures.size()));
  }
  return result.failed_message_count() > 0 ? kPartFailed : kDone;
}

int Drop(App* app, const Options& options) {
  v1::DropQuarantinedMessagesRequest request;
  if (!Select(options, request.mutable_selector())) return WhichOnes(app, "drop");
  const auto stub = v1::IntakeService::NewStub(app->ingestd());
  const auto run = [&](v1::DropQuarantinedMessagesResponse* result) {
    grpc::ClientContext context;
    app->Prepare(&context, App::Daemon::kIngestd, kStreamTimeout);
    const auto reader = stub->DropQuarantinedMessages(&context, request);
    return Follow(*reader, "dropping", result,
                  [](const auto& response) { return response.dropped_count(); });
  };
  v1::DropQuarantinedMessagesResponse result;
  request.set_validate_only(true);
  if (const grpc::Status status = run(&result); !status.ok()) {
    return app->Fail("nothing dropped", status);
  }
  if (result.message_count() == 0) {
    app->Note(NothingThere(options));
    return kDone;
  }
  if (!app->Confirm(Confirmation::kSerious,
                    fmt::format("forget {} and their bytes for good?",
                                Counted(result.message_count(), "message")))) {
    return kFailed;
  }
  request.set_validate_only(false);
  if (const grpc::Status status = run(&result); !status.ok()) {
    return app->Fail("not all were dropped", status);
  }
  Table table({{"MESSAGES", Align::kRight}, {"DROPPED", Align::kRight}, {"BYTES", Align::kRight}});
  table.Add("", {CountCell(result.message_count()), CountCell(result.dropped_count()),
                 CountCell(result.dropped_bytes())});
  Print(app->format(), result, "", table);
  return kDone;
}

// 3 records and 12 messages, which count.
std::string Effect(const v1::ReleaseQuarantinedMessageResponse& response) {
  return fmt::format("{} with {}{}", Counted(response.record_count(), "record"),
                     Counted(response.message_count(), "message"),
                     response.superseded() ? ", superseded by another report" : "");
}

int Release(App* app, const Options& options) {
  const auto stub = v1::IntakeService::NewStub(app->ingestd());
  v1::GetQuarantinedMessageRequest get;
  get.set_name(ResourceName(options.message));
  v1::GetQuarantinedMessageResponse got;
  const grpc::Status read =
      Call(app, *stub, &Stub::GetQuarantinedMessage, get, &got, App::Daemon::kIngestd);
  // One that was released before is not in quarantine any more, and still answered for.
  if (!read.ok() && read.error_code() != grpc::StatusCode::NOT_FOUND) {
    return app->Fail("message not read", read);
  }
  v1::ReleaseQuarantinedMessageRequest request;
  request.set_name(get.name());
  request.set_etag(read.ok() ? got.quarantined_message().etag() : "released");
  request.set_reason(options.why);
  request.set_validate_only(true);
  v1::ReleaseQuarantinedMessageResponse response;
  const auto release = [&] {
    response.Clear();
    return Call(app, *stub, &Stub::ReleaseQuarantinedMessage, request, &response,
                App::Daemon::kIngestd);
  };
  if (const grpc::Status status = release(); !status.ok()) {
    return app->Fail("report not released", status);
  }
  if (response.already_released()) {
    app->Note("it was released before; that release stays");
  } else {
    if (!app->Confirm(Confirmation::kSerious,
                      fmt::format("count {}, quarantined as {}, from now on?", Effect(response),
                                  EscapeForTerminal(got.quarantined_message().reason())))) {
      return kFailed;
    }
    request.set_validate_only(false);
    if (const grpc::Status status = release(); !status.ok()) {
      return app->Fail("report not released", status);
    }
  }
  Table table({{"REPORT"},
               {"TRUST"},
               {"RECORDS", Align::kRight},
               {"MESSAGES", Align::kRight},
               {"SUPERSEDED"},
               {"RELEASED"},
               {"BY"},
               {"WHY"}});
  table.Add(
      response.aggregate_report(),
      {response.aggregate_report(), EnumText(v1::TrustClass_Name(response.trust()), "TRUST_CLASS_"),
       std::to_string(response.record_count()), CountCell(response.message_count()),
       response.superseded() ? "yes" : "", Text(response.release().release_time()),
       response.release().released_by(), response.release().reason()});
  Print(app->format(), response, "", table);
  return kDone;
}

}  // namespace

void AddQuarantine(CLI::App* reports, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = reports->add_subcommand("quarantine", "what could not be read as a report");
  group->require_subcommand(1);
  CLI::App* list = group->add_subcommand("list", "with the reason, newest first");
  options->page.Add(list);
  list->footer(
      "Examples:\n  dmarcate reports quarantine list\n  dmarcate reports quarantine list -o jsonl");
  app->OnSelected(list, [app, options] { return List(app, options->page); });

  CLI::App* show = group->add_subcommand("show", "one message: reason, place, excerpt");
  show->add_option("MESSAGE", options->message, "as listed")->required();
  show->add_option("--raw", options->raw_file, "write the bytes as received there; - for stdout")
      ->type_name("FILE");
  show->footer(
      "Examples:\n  dmarcate reports quarantine show 000000000000ea9c-0\n  dmarcate reports "
      "quarantine show 000000000000ea9c-0 "
      "--raw message.eml");
  app->OnSelected(show, [app, options] { return Show(app, *options); });

  const auto several = [&options](CLI::App* command) {
    command->add_option("MESSAGE", options->message, "as listed");
    command->add_option("--reason", options->reason, "all with this reason");
    command->add_flag("--all", options->all, "all there are");
  };
  CLI::App* replay = group->add_subcommand("replay", "read the kept bytes again");
  several(replay);
  replay->footer(
      "After an upgrade. What comes of a message replaces what it gave before; nothing is counted "
      "twice.\n"
      "--all leaves out what ended the daemon before; name it, or its reason, to try it again.\n"
      "Examples:\n  dmarcate reports quarantine replay 000000000000ea9c-0\n"
      "  dmarcate reports quarantine replay --all");
  app->OnSelected(replay, [app, options] { return Replay(app, *options); });
  CLI::App* release =
      group->add_subcommand("release", "count a report that was read, but contradicts who sent it");
  release->add_option("MESSAGE", options->message, "as listed")->required();
  release->add_option("--reason", options->why, "why; kept with the report and shown")
      ->type_name("TEXT")
      ->required();
  release->footer(
      "It counts as imported, which opens no gate. What could not be read cannot be released: "
      "replay it.\n"
      "Examples:\n  dmarcate reports quarantine release 000000000000ea9c-0 --reason 'our own "
      "gateway reports for partner.example'");
  app->OnSelected(release, [app, options] { return Release(app, *options); });
  CLI::App* drop = group->add_subcommand("drop", "forget messages and their bytes");
  several(drop);
  drop->footer(
      "Reports that came in the same message and count stay, and with them its bytes.\n"
      "Examples:\n  dmarcate reports quarantine drop 000000000000ea9c-0 --yes");
  app->OnSelected(drop, [app, options] { return Drop(app, *options); });
}

}  // namespace dmarcate::cli
