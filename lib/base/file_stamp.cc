#include "lib/base/file_stamp.h"

#include <sys/stat.h>

namespace dmarcate {
namespace {

bool IsSame(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

FileStamp FileStamp::Of(const std::string& path) {
  FileStamp out;
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return out;
  out.there_ = true;
  out.device_ = info.st_dev;
  out.inode_ = info.st_ino;
  out.size_bytes_ = info.st_size;
  out.modified_ = info.st_mtim;
  out.changed_ = info.st_ctim;
  return out;
}

bool FileStamp::operator==(const FileStamp& other) const {
  return there_ == other.there_ && device_ == other.device_ && inode_ == other.inode_ &&
         size_bytes_ == other.size_bytes_ && IsSame(modified_, other.modified_) &&
         IsSame(changed_, other.changed_);
}

}  // namespace dmarcate
