#include "cli/import/shape.h"

#include <string>

#include "lib/archive/gunzip.h"
#include "lib/archive/unzip.h"
#include "lib/mail/mbox.h"
#include "lib/unpack/sniff.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::cli {
namespace {

constexpr size_t kTarHeaderBytes = 512;

// Up to kHeadBytes of the member that `archive` is at.
std::string BeginningOf(ArchiveReader& archive) {
  std::string head;
  while (head.size() < kHeadBytes) {
    const auto piece = archive.Read();  // an error ends what can be seen
    if (!piece.ok() || piece->empty()) break;
    head += *piece;
  }
  return head;
}

bool LooksLikeTar(std::string_view head) {
  // A header has NULs, and text has none.
  if (head.substr(0, kTarHeaderBytes).find('\0') == std::string_view::npos) return false;
  ArchiveReader tar(head, ArchiveForm::kTar, {});
  const auto member = tar.Next();
  return member.ok() && member->has_value();
}

}  // namespace

bool IsCompressed(std::string_view head) {
  return LooksLikeGzip(head) || SniffContent(head) == Content::kUnsupportedCompression;
}

Shape ShapeOf(std::string_view head) {
  if (LooksLikeZip(head)) return Shape::kZip;
  if (IsCompressed(head)) {
    ArchiveReader compressed(head, ArchiveForm::kSingle, {});
    const auto member = compressed.Next();
    if (!member.ok() || !member->has_value()) return Shape::kItem;
    const std::string inner = BeginningOf(compressed);
    if (inner.empty()) return Shape::kItem;  // damaged at once: for ingestd to say and keep
    if (LooksLikeTar(inner)) return Shape::kTar;
    return LooksLikeGzip(head) && !LooksLikeMbox(inner) ? Shape::kItem : Shape::kSingle;
  }
  if (LooksLikeTar(head)) return Shape::kTar;
  return LooksLikeMbox(head) ? Shape::kMbox : Shape::kItem;
}

bool IsBulkZip(ArchiveReader& zip) {
  int members = 0;
  while (true) {
    const auto member = zip.Next();
    if (!member.ok()) return absl::IsResourceExhausted(member.status());
    if (!member->has_value()) return false;
    if ((*member)->kind != ArchiveMember::Kind::kFile || IsDesktopJunk((*member)->name)) continue;
    if ((*member)->encrypted || ++members > UnpackLimits().archive_members) return true;
    switch (SniffContent(BeginningOf(zip))) {
      case Content::kMail:
      case Content::kMbox:
      case Content::kGzip:
      case Content::kZip:
      case Content::kUnsupportedCompression:
        return true;
      default:
        break;
    }
  }
}

}  // namespace dmarcate::cli
