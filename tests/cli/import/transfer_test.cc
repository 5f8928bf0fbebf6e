#include "cli/import/transfer.h"

#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate::cli {
namespace {

// An ingestd that keeps digests, and ends the first streams when it has asked for bytes.
class FakeIntake final : public v1::IntakeService::Service {
 public:
  grpc::Status ImportReports(grpc::ServerContext* /*context*/,
                             grpc::ServerReaderWriter<v1::ImportReportsResponse,
                                                      v1::ImportReportsRequest>* stream) override {
    ++streams;
    v1::ItemStart start;
    std::string content;
    bool answered = false;
    v1::ImportReportsRequest frame;
    while (stream->Read(&frame)) {
      v1::SubmittedItem item;
      if (frame.has_start()) {
        start = frame.start();
        content.clear();
        answered = known.contains(start.sha256());
        if (!answered) continue;
        item.set_outcome(v1::ITEM_OUTCOME_DUPLICATE);
      } else if (!frame.has_end()) {
        content += frame.chunk();
        bytes += static_cast<int64_t>(frame.chunk().size());
        continue;
      } else if (answered) {
        continue;
      } else if (static_cast<int64_t>(content.size()) != start.size_bytes()) {
        item.set_outcome(v1::ITEM_OUTCOME_INVALID);
        item.set_reason("size_mismatch");
      } else {
        known.insert(Sha256(content));
        item.set_outcome(v1::ITEM_OUTCOME_STORED);
        ++stored;
      }
      v1::ImportReportsResponse response;
      response.mutable_result()->set_item_id(start.item_id());
      *response.mutable_result()->add_items() = item;
      stream->Write(response);
      if (item.outcome() == v1::ITEM_OUTCOME_INVALID && ends-- > 0) return end_status;
    }
    return grpc::Status::OK;
  }

  std::set<std::string> known;  // SHA-256
  int64_t bytes = 0;            // received
  int stored = 0, streams = 0;
  int ends = 0;  // streams that are ended so, with...
  grpc::Status end_status;
};

class TransferTest : public testing::Test {
 protected:
  TransferTest() {
    grpc::ServerBuilder builder;
    const std::string address = "unix:" + directory_.File("socket");
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&intake_);
    server_ = builder.BuildAndStart();
    transfer_.emplace(
        grpc::CreateChannel(address, grpc::InsecureChannelCredentials()),
        [](grpc::ClientContext*) {},
        [this](const ImportAnswer& answer) {
          const std::lock_guard lock(mutex_);
          answers_.push_back(answer);
        });
  }
  ~TransferTest() override {
    transfer_.reset();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  }
  static ImportItem Item(int number) {
    return {fmt::format("in/{}", number), fmt::format("content {}", number), 10};
  }

  testing_support::TempDir directory_;
  FakeIntake intake_;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::vector<ImportAnswer> answers_;
  std::optional<ImportTransfer> transfer_;
};

TEST_F(TransferTest, BytesFollowOnlyWhereTheyAreAskedFor) {
  for (int i = 0; i < 1000; i += 2) intake_.known.insert(Sha256(Item(i).content));
  int64_t unknown_bytes = 0;
  for (int i = 0; i < 1000; ++i) {
    if (i % 2 == 1) unknown_bytes += static_cast<int64_t>(Item(i).content.size());
    ASSERT_TRUE(transfer_->Send(Item(i)));
  }
  const grpc::Status status = transfer_->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(intake_.bytes, unknown_bytes);
  EXPECT_EQ(intake_.stored, 500);
  ASSERT_EQ(answers_.size(), 1000u);
  std::set<std::string> names;
  int64_t sent = 0;
  for (const ImportAnswer& answer : answers_) {
    names.insert(answer.name);
    sent += answer.sent_bytes;
    EXPECT_EQ(answer.source_bytes, 10);
    EXPECT_EQ(answer.result.items(0).outcome() == v1::ITEM_OUTCOME_STORED, answer.sent_bytes > 0);
  }
  EXPECT_EQ(names.size(), 1000u);
  EXPECT_EQ(sent, unknown_bytes);
}

TEST_F(TransferTest, WhatIsEmptyIsAnItemToo) {
  ASSERT_TRUE(transfer_->Send({"empty", "", 0}));
  EXPECT_TRUE(transfer_->Finish().ok());
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].result.items(0).outcome(), v1::ITEM_OUTCOME_STORED);
}

TEST_F(TransferTest, LargeItemsGoInChunks) {
  ASSERT_TRUE(transfer_->Send({"large", std::string(40 << 20, 'x'), 0}));
  ASSERT_TRUE(transfer_->Send({"large", std::string(20 << 20, 'y'), 0}));
  EXPECT_TRUE(transfer_->Finish().ok());
  EXPECT_EQ(intake_.bytes, 60 << 20);
  EXPECT_EQ(intake_.stored, 2);
}

// As with a pipe that gives nothing for a minute: the last item was asked for, and not sent yet.
TEST_F(TransferTest, GoesOnAfterStreamsThatIdledOut) {
  intake_.ends = 3;
  intake_.end_status = {grpc::StatusCode::DEADLINE_EXCEEDED, "idle"};
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(transfer_->Send(Item(i)));
  const grpc::Status status = transfer_->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(intake_.streams, 4);
  EXPECT_EQ(intake_.stored, 10);
  EXPECT_EQ(answers_.size(), 10u);
}

TEST_F(TransferTest, EndsWithTheStreamElsewise) {
  intake_.ends = 1;
  intake_.end_status = {grpc::StatusCode::RESOURCE_EXHAUSTED, "the disk is full"};
  bool more = true;
  for (int i = 0; i < 1000 && more; ++i) more = transfer_->Send(Item(i));
  EXPECT_EQ(transfer_->Finish().error_message(), "the disk is full");
  EXPECT_EQ(intake_.streams, 1);
  EXPECT_EQ(intake_.stored, 0);
}

}  // namespace
}  // namespace dmarcate::cli
