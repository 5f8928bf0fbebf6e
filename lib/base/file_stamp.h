// lib/base/file_stamp.h
// Tells whether a file is another one than before, without reading it: for files that are read
// again when somebody has replaced them. Asked again and again instead of inotify, which does not
// see what becomes of a directory that is not there yet, or of a network file system.

#ifndef DMARCATE_LIB_BASE_FILE_STAMP_H_
#define DMARCATE_LIB_BASE_FILE_STAMP_H_

#include <sys/types.h>
#include <time.h>

#include <string>

namespace dmarcate {

// Take it before the file is read: a change meanwhile is then seen the next time.
class FileStamp {
 public:
  FileStamp() = default;  // of a file that is not there
  static FileStamp Of(const std::string& path);

  bool there() const { return there_; }
  // Also differs where only its mode or owner changed: it may be readable now.
  bool operator==(const FileStamp& other) const;

 private:
  bool there_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  off_t size_bytes_ = 0;
  timespec modified_ = {}, changed_ = {};
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_FILE_STAMP_H_
