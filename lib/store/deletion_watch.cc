#include "lib/store/deletion_watch.h"

#include <cstdint>
#include <utility>

#include "rocksdb/table_properties.h"
#include "rocksdb/utilities/table_properties_collectors.h"

namespace dmarcate {
namespace {

constexpr size_t kWindowKeys = 256, kWindowDeletions = 64;
constexpr double kDeletionRatio = 0.5;

// Shows RocksDB's own collector the keys that are not passing.
class Collector final : public rocksdb::TablePropertiesCollector {
 public:
  Collector(std::unique_ptr<rocksdb::TablePropertiesCollector> counter, const std::string& passing)
      : counter_(std::move(counter)), passing_(passing) {}

  rocksdb::Status AddUserKey(const rocksdb::Slice& key, const rocksdb::Slice& value,
                             rocksdb::EntryType type, rocksdb::SequenceNumber sequence,
                             uint64_t file_bytes) override {
    if (!key.empty() && passing_.find(key[0]) != std::string::npos) return rocksdb::Status::OK();
    return counter_->AddUserKey(key, value, type, sequence, file_bytes);
  }
  rocksdb::Status Finish(rocksdb::UserCollectedProperties* properties) override {
    return counter_->Finish(properties);
  }
  rocksdb::UserCollectedProperties GetReadableProperties() const override {
    return counter_->GetReadableProperties();
  }
  const char* Name() const override { return "dmarcate.DeletionWatch"; }
  bool NeedCompact() const override { return counter_->NeedCompact(); }

 private:
  const std::unique_ptr<rocksdb::TablePropertiesCollector> counter_;
  const std::string passing_;
};

class Factory final : public rocksdb::TablePropertiesCollectorFactory {
 public:
  explicit Factory(std::string passing)
      : counters_(rocksdb::NewCompactOnDeletionCollectorFactory(kWindowKeys, kWindowDeletions,
                                                                kDeletionRatio)),
        passing_(std::move(passing)) {}

  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(Context context) override {
    return new Collector(std::unique_ptr<rocksdb::TablePropertiesCollector>(
                             counters_->CreateTablePropertiesCollector(context)),
                         passing_);
  }
  const char* Name() const override { return "dmarcate.DeletionWatchFactory"; }

 private:
  const std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> counters_;
  const std::string passing_;
};

}  // namespace

std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> WatchDeletions(std::string passing) {
  return std::make_shared<Factory>(std::move(passing));
}

}  // namespace dmarcate
