// cli/import/items.h
// What an import finds, and who takes it.

#ifndef DMARCATE_CLI_IMPORT_ITEMS_H_
#define DMARCATE_CLI_IMPORT_ITEMS_H_

#include <cstdint>
#include <string>

namespace dmarcate::cli {

// One mail, document or attachment, for ingestd to read.
struct ImportItem {
  std::string name;  // where it is, for people: "old.tar.gz!2026/05/x.eml", "dmarc.mbox!17"
  std::string content;
  int64_t source_bytes = 0;  // of the files, read since the item before
};

// What is not sent.
struct ImportNotice {
  // kSkipped loses nothing: a link, a device.
  enum class Kind : uint8_t { kRefused, kSkipped };
  Kind kind = Kind::kRefused;
  std::string name;  // as an item's
  std::string why;   // what, where, the limit
  std::string next;  // what to do, if anything
};

class ImportSink {
 public:
  virtual ~ImportSink() = default;
  // False: no more are wanted.
  virtual bool Take(ImportItem item) = 0;
  virtual void Tell(ImportNotice notice) = 0;
  // A file was read to its end; `source_bytes` since its last item.
  virtual void FileDone(int64_t source_bytes) = 0;
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_IMPORT_ITEMS_H_
