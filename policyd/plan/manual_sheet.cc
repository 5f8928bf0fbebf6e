#include "policyd/plan/manual_sheet.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {
namespace {

std::string Plain(const TxtRecord& record) {
  std::string text = record.Joined();
  const bool printable = std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
  return printable ? text : record.ToPresentation();
}

// "v=spf1": what makes two texts versions of one record.
std::string KindOf(const TxtRecord& record) {
  const std::string text = record.Joined();
  return AsciiLower(text.substr(0, text.find_first_of(" ;")));
}

// Those of `of` whose text is not among `others`; texts count as often as they are there.
std::vector<TxtRecord> Without(const std::vector<TxtRecord>& of, std::vector<TxtRecord> others) {
  std::vector<TxtRecord> out;
  for (const TxtRecord& record : of) {
    const auto same = std::ranges::find(others, record.Joined(), &TxtRecord::Joined);
    if (same == others.end()) {
      out.push_back(record);
    } else {
      others.erase(same);
    }
  }
  return out;
}

absl::Status EditsOf(const RecordChangeRecord& record, std::vector<ManualEdit>& edits) {
  const absl::StatusOr<DomainName> zone = DomainName::Parse(record.zone);
  const absl::StatusOr<DomainName> owner = DomainName::Parse(record.owner_name);
  if (!zone.ok() || !owner.ok() || !owner->IsAtOrBelow(*zone)) {
    return MakeError(absl::StatusCode::kDataLoss, "stored change: a name does not parse");
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> before, FromPresentations(record.before));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> after, FromPresentations(record.after));
  ManualEdit form;
  form.zone = zone->text();
  form.owner = owner->text();
  form.host =
      *owner == *zone ? "@" : form.owner.substr(0, form.owner.size() - form.zone.size() - 1);
  const auto set = [&](ManualEdit edit, const TxtRecord& to) {
    edit.ttl_seconds = record.ttl_after;
    edit.value = Plain(to);
    edit.zone_line =
        fmt::format("{}. {} IN TXT {}", edit.owner, record.ttl_after, to.ToPresentation());
    edits.push_back(std::move(edit));
  };
  std::vector<TxtRecord> gone = Without(before, after);
  for (const TxtRecord& fresh : Without(after, before)) {
    ManualEdit edit = form;
    const auto old = std::ranges::find(gone, KindOf(fresh), &KindOf);
    if (old != gone.end()) {
      edit.action = ManualEdit::Action::kReplace;
      edit.old_value = Plain(*old);
      gone.erase(old);
    }
    set(std::move(edit), fresh);
  }
  for (const TxtRecord& old : gone) {
    ManualEdit edit = form;
    edit.action = ManualEdit::Action::kRemove;
    edit.old_value = Plain(old);
    edits.push_back(std::move(edit));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ManualEdit>> ManualEditsOf(const ChangeRecord& change) {
  std::vector<ManualEdit> edits;
  for (const RecordChangeRecord& record : change.record_changes) {
    DMARCATE_RETURN_IF_ERROR(EditsOf(record, edits));
  }
  return edits;
}

}  // namespace dmarcate
