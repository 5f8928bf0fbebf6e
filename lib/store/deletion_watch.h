// lib/store/deletion_watch.h
// Has RocksDB compact a table for the sake of the deletions in it. What they delete lies deeper,
// where nothing new may come for long, and its space would not come back.

#ifndef DMARCATE_LIB_STORE_DELETION_WATCH_H_
#define DMARCATE_LIB_STORE_DELETION_WATCH_H_

#include <memory>
#include <string>

namespace rocksdb {
class TablePropertiesCollectorFactory;
}  // namespace rocksdb

namespace dmarcate {

// Tables that have 64 deletions among 256 keys in a row, or as many deletions as all other keys.
// Keys that begin with a letter of `passing` are not looked at: they are deleted soon after they
// were written, so that their deletions say nothing. Thread-safe, as is what it makes.
std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> WatchDeletions(std::string passing);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_DELETION_WATCH_H_
