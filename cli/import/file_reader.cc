#include "cli/import/file_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "cli/import/shape.h"
#include "lib/archive/unzip.h"
#include "lib/base/status_macros.h"
#include "lib/mail/mbox.h"

namespace dmarcate::cli {
namespace {

constexpr int64_t kDamagedMembers = 100;  // each costs reading the directory again
constexpr char kFetchAgain[] = "what came before is taken; fetch it again";
constexpr char kUnpackFirst[] = "unpack it first";

std::string NameOf(const std::string& path) { return path == "-" ? "standard input" : path; }

}  // namespace

bool FileReader::Read(const std::string& path) {
  const std::string name = NameOf(path);
  auto source = ByteSource::Open(path);
  if (!source.ok()) {
    Refuse(name, std::string(MessageOf(source.status())), "");
    sink_.FileDone(0);
    return wanted_;
  }
  source_ = &*source;
  advanced_ = 0;
  ReadSource(name, *source);
  const int64_t rest = source->size() < 0 ? Advance() : source->size() - advanced_;
  source_ = nullptr;
  if (wanted_) sink_.FileDone(std::max<int64_t>(rest, 0));
  return wanted_;
}

void FileReader::ReadSource(const std::string& name, ByteSource& source) {
  auto head = source.Peek(kHeadBytes);
  if (head.ok() && IsCompressed(*head)) head = source.Peek(kCompressedHeadBytes);
  if (!head.ok()) return Refuse(name, std::string(MessageOf(head.status())), "");
  const Pieces pieces = [&source] { return source.Read(); };
  switch (ShapeOf(*head)) {
    case Shape::kItem:
      return ReadWhole(name, "", pieces, /*is_member=*/false);
    case Shape::kMbox:
      if (limits_.mailboxes == ImportLimits::Mailboxes::kSplit) return SplitMbox(name, "", pieces);
      return ReadWhole(name, "", pieces, /*is_member=*/false);
    case Shape::kTar:
      return ReadArchive(name, source, ArchiveForm::kTar);
    case Shape::kZip:
      return ReadZip(name, source);
    case Shape::kSingle: {
      ArchiveReader compressed(source, ArchiveForm::kSingle, limits_.archive);
      if (const auto member = compressed.Next(); !member.ok()) {
        return Refuse(name, std::string(MessageOf(member.status())),
                      "fetch it again, or unpack it first");
      }
      return ReadMember(name, compressed);
    }
  }
}

void FileReader::ReadZip(const std::string& name, ByteSource& source) {
  if (!source.seekable()) {  // its directory is at the end
    auto spooled = ByteSource::Spool(source);
    if (!spooled.ok()) return Refuse(name, std::string(MessageOf(spooled.status())), "");
    return ReadZip(name, *spooled);
  }
  bool bulk = false;
  {
    ArchiveReader zip(source, ArchiveForm::kZip, limits_.archive);
    bulk = IsBulkZip(zip);
  }
  if (const absl::Status status = source.Seek(0); !status.ok()) {
    return Refuse(name, std::string(MessageOf(status)), "");
  }
  if (bulk) return ReadArchive(name, source, ArchiveForm::kZip);
  ReadWhole(name, "", [&source] { return source.Read(); }, /*is_member=*/false);
}

void FileReader::ReadArchive(const std::string& name, ByteSource& source, ArchiveForm form) {
  std::optional<ArchiveReader> archive(std::in_place, source, form, limits_.archive);
  std::string last = "its beginning";
  int64_t members = 0, damaged = 0;
  bool read_member = false;  // since the archive was opened
  while (wanted_) {
    auto next = archive->Next();
    // A member that cannot be inflated ends libarchive's reading, but a zip's directory has the
    // rest.
    if (!next.ok() && form == ArchiveForm::kZip && read_member && ++damaged <= kDamagedMembers &&
        absl::IsDataLoss(next.status()) && source.Seek(0).ok()) {
      archive.emplace(source, form, limits_.archive);
      for (int64_t i = 0; i < members; ++i) (void)archive->Next();  // an error stays
      read_member = false;
      continue;
    }
    if (!next.ok()) {
      return Refuse(name,
                    fmt::format("ends after {} (byte {}): {}", last, source.position(),
                                MessageOf(next.status())),
                    absl::IsResourceExhausted(next.status()) ? kUnpackFirst : kFetchAgain);
    }
    if (!next->has_value()) return;
    const ArchiveMember member = **std::move(next);
    last = member.name;
    ++members;
    read_member = true;
    const std::string full = fmt::format("{}!{}", name, member.name);
    if (member.kind == ArchiveMember::Kind::kDirectory || IsDesktopJunk(member.name)) continue;
    if (member.kind != ArchiveMember::Kind::kFile) {
      const bool link = member.kind == ArchiveMember::Kind::kLink;
      sink_.Tell({ImportNotice::Kind::kSkipped, full,
                  link ? "a link; what it points to is read where it lies" : "not a file", ""});
    } else if (member.encrypted) {
      Refuse(full, "encrypted", kUnpackFirst);
    } else {
      ReadMember(full, *archive);
    }
  }
}

void FileReader::ReadMember(const std::string& name, ArchiveReader& archive) {
  const Pieces pieces = [&archive] { return archive.Read(); };
  std::string head;
  while (head.size() < kHeadBytes) {
    const auto piece = pieces();
    if (!piece.ok()) {
      return Refuse(name, fmt::format("byte {}: {}", head.size(), MessageOf(piece.status())), "");
    }
    if (piece->empty()) break;
    head += *piece;
  }
  if (limits_.mailboxes == ImportLimits::Mailboxes::kSplit && LooksLikeMbox(head)) {
    return SplitMbox(name, std::move(head), pieces);
  }
  ReadWhole(name, std::move(head), pieces, /*is_member=*/true);
}

void FileReader::SplitMbox(const std::string& name, std::string head, const Pieces& pieces) {
  MboxSplitter splitter(static_cast<size_t>(limits_.item_bytes));
  int64_t number = 0, bytes = static_cast<int64_t>(head.size());
  bool ended = false;
  splitter.Append(head);
  std::string().swap(head);
  while (wanted_) {
    while (auto message = splitter.Next()) {
      std::string full = fmt::format("{}!{}", name, ++number);
      if (!message->too_large) {
        Send(std::move(full), std::move(message->content));
      } else {
        Refuse(std::move(full),
               fmt::format("the message at byte {}: {} bytes, limit {}", message->offset,
                           message->size, limits_.item_bytes),
               "a report's mail is smaller; it is left out");
      }
      if (!wanted_) return;
    }
    if (ended) return;
    const auto piece = pieces();
    if (!piece.ok()) {  // what is left of the last message is no whole one
      return Refuse(name,
                    fmt::format("ends after message {} (byte {}): {}", number, bytes,
                                MessageOf(piece.status())),
                    kFetchAgain);
    }
    ended = piece->empty();
    bytes += static_cast<int64_t>(piece->size());
    ended ? splitter.End() : splitter.Append(*piece);
  }
}

void FileReader::ReadWhole(const std::string& name, std::string head, const Pieces& pieces,
                           bool is_member) {
  std::string content = std::move(head);
  while (true) {
    const auto piece = pieces();
    if (!piece.ok()) {
      return Refuse(name, fmt::format("byte {}: {}", content.size(), MessageOf(piece.status())),
                    "");
    }
    if (static_cast<int64_t>(content.size() + piece->size()) > limits_.item_bytes) {
      return Refuse(name, fmt::format("over {} bytes, the limit of one report", limits_.item_bytes),
                    "if it holds many, split it, or pack them as mbox, tar or zip");
    }
    if (piece->empty()) break;
    content += *piece;
  }
  if (is_member && IsBulk(content)) return Refuse(name, "an archive in an archive", kUnpackFirst);
  Send(name, std::move(content));
}

bool FileReader::IsBulk(std::string_view content) const {
  const Shape shape = ShapeOf(content.substr(0, kCompressedHeadBytes));
  if (shape != Shape::kZip) return shape == Shape::kTar;
  ArchiveReader zip(content, ArchiveForm::kZip, limits_.archive);
  return IsBulkZip(zip);
}

void FileReader::Send(std::string name, std::string content) {
  wanted_ = sink_.Take({std::move(name), std::move(content), Advance()});
}

void FileReader::Refuse(std::string name, std::string why, std::string next) {
  sink_.Tell({ImportNotice::Kind::kRefused, std::move(name), std::move(why), std::move(next)});
}

int64_t FileReader::Advance() {
  const int64_t to = std::max(source_->position(), advanced_);
  return to - std::exchange(advanced_, to);
}

}  // namespace dmarcate::cli
