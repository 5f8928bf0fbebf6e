#include "cli/import.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>

#include "fmt/format.h"
#include "nlohmann/json.hpp"

#include "cli/import/file_reader.h"
#include "cli/import/items.h"
#include "cli/import/transfer.h"
#include "cli/import/walk.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/progress.h"
#include "lib/base/status_macros.h"

namespace dmarcate::cli {
namespace {

constexpr size_t kTold = 20;                               // of each kind of note
constexpr std::string_view kTrustRaised = "trust_raised";  // intake.proto

// Notes of one kind, the first of them whole.
class Notes {
 public:
  void Add(std::string note) {
    if (++count_ <= kTold) first_.push_back(std::move(note));
  }
  void Print(const App& app, std::string_view what, std::string_view where_more) const {
    for (const std::string& note : first_) app.Note(fmt::format("{}{}", what, note));
    if (count_ > first_.size()) {
      app.Note(fmt::format("and {} more{}", count_ - first_.size(), where_more));
    }
  }
  size_t count() const { return count_; }
  const std::vector<std::string>& first() const { return first_; }

 private:
  size_t count_ = 0;
  std::vector<std::string> first_;
};

std::string OutcomeText(v1::ItemOutcome outcome) {
  return EnumText(v1::ItemOutcome_Name(outcome), "ITEM_OUTCOME_");
}

// What is to come, as far as it can be known.
struct Extent {
  int64_t files = 0;
  int64_t bytes = 0;  // 0: not known
};

absl::StatusOr<Extent> Measure(const std::vector<std::string>& paths) {
  Extent extent;
  bool known = true;
  const FileVisitor visitor = {[&](const std::string&, int64_t size) {
                                 ++extent.files;
                                 extent.bytes += std::max<int64_t>(size, 0);
                                 known = known && size >= 0;
                                 return true;
                               },
                               [](const std::string&, std::string_view) {}};  // told when read
  for (const std::string& path : paths) DMARCATE_RETURN_IF_ERROR(WalkFiles(path, visitor));
  if (!known) extent.bytes = 0;
  return extent;
}

// What was found and what came of it. Found on the thread that reads, answered on the stream's.
class Import final : public ImportSink {
 public:
  Import(App* app, const Extent& extent)
      : progress_("importing", "items", extent.bytes, 0),
        files_(extent.files),
        transfer_(
            app->ingestd(),
            [app](grpc::ClientContext* context) {
              app->Prepare(context, App::Daemon::kIngestd, absl::Hours(24));
            },
            [this](const ImportAnswer& answer) { OnAnswer(answer); }) {}

  // Returns how the stream ended.
  grpc::Status Run(const std::vector<std::string>& paths) {
    FileReader reader({}, *this);
    const FileVisitor visitor = {
        [&](const std::string& path, int64_t) { return reader.Read(path); },
        [&](const std::string& path, std::string_view why) {
          Tell({ImportNotice::Kind::kRefused, path, std::string(why), "its files are missing"});
        }};
    for (const std::string& path : paths) {
      const absl::Status status = WalkFiles(path, visitor);
      if (!status.ok()) {  // it was there when it was measured
        Tell({ImportNotice::Kind::kRefused, path, std::string(MessageOf(status)), ""});
      }
    }
    return transfer_.Finish();
  }

  bool Take(ImportItem item) override { return transfer_.Send(std::move(item)); }

  void Tell(ImportNotice notice) override {
    const std::lock_guard lock(mutex_);
    const std::string text = fmt::format("{}: {}{}{}", notice.name, notice.why,
                                         notice.next.empty() ? "" : "; ", notice.next);
    if (notice.kind == ImportNotice::Kind::kRefused) {
      refused_.Add(text);
    } else {
      skipped_.Add(text);
    }
  }

  void FileDone(int64_t source_bytes) override {
    const std::lock_guard lock(mutex_);
    ++files_done_;
    bytes_ += source_bytes;
    ShowProgress();
  }

  // The sums, and the first of what needs a look. Also while it runs: then of what was answered so
  // far. `complete`: the stream came to its end.
  int Print(const App& app, bool complete) {
    const std::lock_guard lock(mutex_);
    progress_.Finish();
    if (app.format() == Format::kJson || app.format() == Format::kJsonl ||
        app.format() == Format::kYaml) {
      PrintObject(app.format(), complete);
    } else {
      PrintTable(app.format());
    }
    material_.Print(app, "stored with material repairs: ", ": dmarcate reports list DOMAIN");
    if (const auto waiting = outcomes_.find(v1::ITEM_OUTCOME_WAITING); waiting != outcomes_.end()) {
      app.Note(fmt::format(
          "{} kept and not counted yet: ingestd verifies who sent a mail, and the DNS does not "
          "answer now; it goes on by itself",
          Counted(waiting->second, "mail")));
    }
    failed_.Print(app, "", ": dmarcate reports quarantine list");
    refused_.Print(app, "not sent: ", " not sent");
    skipped_.Print(app, "left out: ", " left out");
    if (complete && items_ + files_done_ == 0) app.Note("nothing to import was found there");
    return failed_.count() + refused_.count() == 0 ? kDone : kPartFailed;
  }

 private:
  void OnAnswer(const ImportAnswer& answer) {
    const std::lock_guard lock(mutex_);
    ++items_;
    bytes_ += answer.source_bytes;
    sent_bytes_ += answer.sent_bytes;
    if (answer.known) ++known_;
    for (const v1::SubmittedItem& part : answer.result.items()) {
      ++outcomes_[part.outcome()];
      if (part.outcome() == v1::ITEM_OUTCOME_STORED) {
        records_ += part.record_count();
        messages_ += part.message_count();
        if (part.material()) {
          material_.Add(fmt::format("{}: {}", answer.name, part.detail()));
        }
      } else if (part.outcome() == v1::ITEM_OUTCOME_DUPLICATE) {
        if (part.reason() != kTrustRaised) continue;
        ++raised_;
        raised_messages_ += part.message_count();
      } else if (part.outcome() != v1::ITEM_OUTCOME_WAITING) {
        failed_.Add(fmt::format("{}: {}: {}: {}", answer.name, OutcomeText(part.outcome()),
                                part.reason(), part.detail()));
      }
    }
    ShowProgress();
  }

  void ShowProgress() {
    std::string counts = fmt::format("{} of {} files", files_done_, files_);
    for (const auto& [outcome, count] : outcomes_) {
      counts += fmt::format(", {} {}", count, OutcomeText(outcome));
      if (outcome == v1::ITEM_OUTCOME_STORED && material_.count() > 0) {
        counts += fmt::format(" ({} with material repairs)", material_.count());
      }
    }
    if (refused_.count() > 0) counts += fmt::format(", {} not sent", refused_.count());
    progress_.Update(bytes_, items_, counts);
  }

  void PrintTable(Format format) const {
    Table table({{"OUTCOME"}, {"REPORTS", Align::kRight}});
    for (const auto& [outcome, count] : outcomes_) {
      table.Add(OutcomeText(outcome), {OutcomeText(outcome), std::to_string(count)});
    }
    WriteOut(table.Render(format));
    if (format != Format::kTable && format != Format::kWide) return;
    std::string text =
        fmt::format("stored {}, {}", Counted(records_, "record"), Counted(messages_, "message"));
    if (material_.count() > 0) {
      text += fmt::format("; {} of the reports with material repairs", material_.count());
    }
    if (raised_ > 0) {
      text += fmt::format("\n{} of the duplicates counted nowhere before and now do: {}",
                          FormatCount(raised_), Counted(raised_messages_, "message"));
    }
    text += fmt::format("\n{} of {}: {} sent", Counted(items_, "item"),
                        Counted(files_done_, "file"), Counted(sent_bytes_, "byte"));
    if (known_ > 0) text += fmt::format(", {} were there already", Counted(known_, "item"));
    WriteOut(text + "\n");
  }

  void PrintObject(Format format, bool complete) const {
    nlohmann::ordered_json object = {{"message_type", "import_summary"}};
    object["complete"] = complete;
    for (const auto& [outcome, count] : outcomes_) object[OutcomeText(outcome)] = count;
    object["material"] = material_.count();
    object["material_repairs"] = material_.first();
    object["trust_raised"] = raised_;
    object["records"] = records_;
    object["messages"] = messages_;
    object["files"] = files_done_;
    object["items"] = items_;
    object["known_items"] = known_;
    object["sent_bytes"] = sent_bytes_;
    object["not_sent"] = refused_.count();
    object["left_out"] = skipped_.count();
    const std::string text =
        object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
    WriteOut((format == Format::kYaml ? JsonToYaml(text) : text) + "\n");
  }

  std::mutex mutex_;
  Progress progress_;
  const int64_t files_;
  int64_t files_done_ = 0, items_ = 0, known_ = 0;
  int64_t bytes_ = 0;       // of the files, answered or left out
  int64_t sent_bytes_ = 0;  // to ingestd
  int64_t records_ = 0, messages_ = 0;
  int64_t raised_ = 0, raised_messages_ = 0;
  std::map<v1::ItemOutcome, int64_t> outcomes_;
  Notes material_, failed_, refused_, skipped_;
  ImportTransfer transfer_;  // last: it calls OnAnswer() until it is gone
};

}  // namespace

int ImportReports(App* app, const std::vector<std::string>& paths) {
  const auto extent = Measure(paths);
  if (!extent.ok()) {
    return app->Fail("nothing imported", extent.status(),
                     {"name files and folders that are there"});
  }
  // What is acknowledged is stored, and the rest is recognised next time: nothing to be tidied up.
  Import* running = nullptr;
  std::mutex mutex;
  std::optional<InterruptWatch> watch(std::in_place, [&](int exit_code) {
    const std::lock_guard lock(mutex);
    if (running != nullptr) running->Print(*app, /*complete=*/false);
    FinishOutput().IgnoreError();
    app->Fail(exit_code, "INTERRUPTED", "import interrupted", "what was answered so far is stored",
              {"the same command goes on where this one was"});
  });
  Import import(app, *extent);
  {
    const std::lock_guard lock(mutex);
    running = &import;
  }
  const grpc::Status status = import.Run(paths);
  watch.reset();  // what is printed now is the end
  const int exit_code = import.Print(*app, status.ok());
  if (status.ok()) return exit_code;
  return app->Fail("import ended early; the same command goes on where this one was", status);
}

}  // namespace dmarcate::cli
