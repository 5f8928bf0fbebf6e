// ingestd as a whole: its door, its service, its end.

#include "tests/ingestd/daemon.h"

#include <sys/stat.h>

#include <csignal>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/intake.grpc.pb.h"
#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "tests/lib/rpc/method_probe.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::Import;
using ingest_testing::ImportItem;
using ingest_testing::MakeReportXml;
using ingest_testing::Submit;

class DaemonTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = daemon_.Start({"mail"});
    ASSERT_TRUE(started.ok()) << started;
  }
  v1::ListQuarantinedMessagesResponse List(int page_size, const std::string& token,
                                           grpc::Status* status = nullptr) {
    grpc::ClientContext context;
    v1::ListQuarantinedMessagesRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    v1::ListQuarantinedMessagesResponse response;
    const grpc::Status got = v1::IntakeService::NewStub(daemon_.channel())
                                 ->ListQuarantinedMessages(&context, request, &response);
    if (status != nullptr) *status = got;
    if (status == nullptr) {
      EXPECT_TRUE(got.ok()) << got.error_message();
    }
    return response;
  }
  // Sends `frames` as they are and returns results and end of the stream.
  std::pair<std::vector<v1::ItemResult>, grpc::Status> Stream(
      const std::vector<v1::ImportReportsRequest>& frames) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    const auto stub = v1::IntakeService::NewStub(daemon_.channel());
    const auto stream = stub->ImportReports(&context);
    for (const auto& frame : frames) stream->Write(frame);
    stream->WritesDone();
    std::vector<v1::ItemResult> results;
    v1::ImportReportsResponse response;
    while (stream->Read(&response)) results.push_back(response.result());
    return {results, stream->Finish()};
  }
  Daemon daemon_;
};

v1::ImportReportsRequest Start(int64_t id, int64_t size, const std::string& sha256 = "") {
  v1::ImportReportsRequest out;
  out.mutable_start()->set_item_id(id);
  out.mutable_start()->set_size_bytes(size);
  out.mutable_start()->set_sha256(sha256);
  return out;
}
v1::ImportReportsRequest Chunk(const std::string& bytes) {
  v1::ImportReportsRequest out;
  out.set_chunk(bytes);
  return out;
}
v1::ImportReportsRequest End() {
  v1::ImportReportsRequest out;
  out.mutable_end();
  return out;
}

TEST_F(DaemonTest, EveryMethodAuthenticates) {
  EXPECT_EQ(rpc_testing::ExpectEveryMethodAuthenticates(daemon_.tcp_channel()), 10u);
  EXPECT_TRUE(rpc_testing::CallMethod(daemon_.tcp_channel(),
                                      "/dmarcate.v1.IntakeService/ListQuarantinedMessages",
                                      daemon_.token())
                  .ok());
}

TEST_F(DaemonTest, ASubmittedReportIsStoredOnce) {
  const std::string xml = MakeReportXml("example.test", "r1", {3, 4});
  v1::SubmitReportResponse first, second;
  ASSERT_TRUE(Submit(daemon_.channel(), xml, &first).ok());
  ASSERT_EQ(first.items_size(), 1);
  EXPECT_EQ(first.items(0).outcome(), v1::ITEM_OUTCOME_STORED) << first.DebugString();
  EXPECT_EQ(first.items(0).message_count(), 7);
  EXPECT_EQ(first.items(0).record_count(), 2);
  EXPECT_THAT(first.items(0).aggregate_report(),
              testing::StartsWith("domains/example.test/aggregateReports/20260101-"));
  EXPECT_EQ(first.content_sha256(), Sha256Hex(xml));
  ASSERT_TRUE(Submit(daemon_.channel(), xml, &second).ok());
  EXPECT_EQ(second.items(0).outcome(), v1::ITEM_OUTCOME_DUPLICATE);
  EXPECT_EQ(second.items(0).aggregate_report(), first.items(0).aggregate_report());
}

TEST_F(DaemonTest, WrongRequestsAreExplained) {
  v1::SubmitReportResponse response;
  EXPECT_EQ(ExtractError(Submit(daemon_.channel(), "", &response)).reason, "FIELD_REQUIRED");
  EXPECT_EQ(
      ExtractError(Submit(daemon_.channel(), std::string((3 << 20) + 1, 'x'), &response)).reason,
      "MESSAGE_TOO_LARGE");
  grpc::Status status;
  List(-1, "", &status);
  EXPECT_EQ(ExtractError(status).reason, "PAGE_SIZE_NEGATIVE");
  for (const std::string token : {"x", "cTA=", "aGVsbG8=", "cXp6"}) {
    List(0, token, &status);
    EXPECT_EQ(ExtractError(status).reason, "PAGE_TOKEN_INVALID") << token;
  }
}

TEST_F(DaemonTest, WhatCannotBeReadIsListedPageByPage) {
  v1::SubmitReportResponse response;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Submit(daemon_.channel(), fmt::format("hello {}", i), &response).ok());
    EXPECT_NE(response.items(0).outcome(), v1::ITEM_OUTCOME_STORED);
  }
  std::vector<std::string> hashes;
  std::string token;
  do {
    const auto page = List(2, token);
    EXPECT_LE(page.quarantined_messages_size(), 2);
    for (const auto& message : page.quarantined_messages()) {
      hashes.push_back(message.content_sha256());
      EXPECT_FALSE(message.reason().empty());
      EXPECT_EQ(message.channel(), "upload");
    }
    token = page.next_page_token();
  } while (!token.empty());
  std::vector<std::string> want;
  for (int i = 4; i >= 0; --i) want.push_back(Sha256Hex(fmt::format("hello {}", i)));
  EXPECT_EQ(hashes, want);
}

TEST_F(DaemonTest, AQuarantinedMessageShowsThePlaceAndGivesItsBytes) {
  const std::string head = "<?xml version=\"1.0\"?>\n<feedback>\x01" + std::string(700, 'x');
  const std::string bad = head + "</wrong>";
  v1::SubmitReportResponse submitted;
  ASSERT_TRUE(Submit(daemon_.channel(), bad, &submitted).ok());
  ASSERT_EQ(submitted.items(0).outcome(), v1::ITEM_OUTCOME_QUARANTINED) << submitted.DebugString();
  const std::string name = List(10, "").quarantined_messages(0).name();
  const auto stub = v1::IntakeService::NewStub(daemon_.channel());
  const auto get = [&](const std::string& which, v1::GetQuarantinedMessageResponse* response) {
    grpc::ClientContext context;
    v1::GetQuarantinedMessageRequest request;
    request.set_name(which);
    return stub->GetQuarantinedMessage(&context, request, response);
  };
  v1::GetQuarantinedMessageResponse got;
  ASSERT_TRUE(get(name, &got).ok());
  EXPECT_EQ(got.quarantined_message().reason(), submitted.items(0).reason());
  EXPECT_EQ(got.quarantined_message().content_sha256(), Sha256Hex(bad));
  EXPECT_TRUE(got.raw_available());
  ASSERT_TRUE(got.has_position()) << got.DebugString();
  EXPECT_THAT(got.quarantined_message().detail(),
              testing::HasSubstr(fmt::format("at byte {}", got.position())));
  EXPECT_THAT(got.excerpt(), testing::HasSubstr("xxx</wrong>"));
  EXPECT_EQ(got.excerpt_offset(), static_cast<int64_t>(bad.size()) - 512);
  EXPECT_EQ(got.excerpt(), bad.substr(static_cast<size_t>(got.excerpt_offset())));

  const auto download = [&](const std::string& which, std::string* bytes) {
    grpc::ClientContext context;
    v1::DownloadQuarantinedMessageRequest request;
    request.set_name(which);
    const auto reader = stub->DownloadQuarantinedMessage(&context, request);
    v1::DownloadQuarantinedMessageResponse response;
    while (reader->Read(&response)) {
      EXPECT_LE(response.chunk().size(), size_t{256} << 10);
      *bytes += response.chunk();
    }
    return reader->Finish();
  };
  std::string bytes;
  ASSERT_TRUE(download(name, &bytes).ok());
  EXPECT_EQ(bytes, bad);
  const std::string noise(1 << 20, '\x02');
  ASSERT_TRUE(Submit(daemon_.channel(), noise, &submitted).ok());
  const std::string other = List(1, "").quarantined_messages(0).name();
  bytes.clear();
  ASSERT_TRUE(download(other, &bytes).ok());
  EXPECT_TRUE(bytes == noise);
  ASSERT_TRUE(get(other, &got).ok());
  EXPECT_FALSE(got.has_position());
  EXPECT_THAT(got.excerpt(), testing::StartsWith("\\x02\\x02"));

  EXPECT_EQ(ExtractError(get("quarantinedMessages/00000000000000ff-0", &got)).reason,
            "RESOURCE_NOT_FOUND");
  EXPECT_EQ(ExtractError(get(name.substr(0, name.size() - 1) + "7", &got)).reason,
            "RESOURCE_NOT_FOUND");
  EXPECT_EQ(ExtractError(get(name + "0", &got)).reason, "NAME_MALFORMED");
  EXPECT_EQ(ExtractError(get("quarantinedMessages/ff-0", &got)).reason, "NAME_MALFORMED");
  EXPECT_EQ(ExtractError(download("x", &bytes)).reason, "NAME_MALFORMED");
  EXPECT_EQ(ExtractError(download("quarantinedMessages/00000000000000ff-0", &bytes)).reason,
            "RESOURCE_NOT_FOUND");
}

TEST_F(DaemonTest, QuarantinedMessagesAreReplayedAndDropped) {
  v1::SubmitReportResponse submitted;
  for (int i = 0; i < 30; ++i) {
    const std::string content =
        i % 3 == 0 ? fmt::format("<feedback><broken {}", i) : fmt::format("hello {}", i);
    ASSERT_TRUE(Submit(daemon_.channel(), content, &submitted).ok());
  }
  const std::string reason = List(1, "").quarantined_messages(0).reason();
  const std::string name = List(1, "").quarantined_messages(0).name();
  const auto stub = v1::IntakeService::NewStub(daemon_.channel());
  const auto replay = [&](const v1::ReplayQuarantinedMessagesRequest& request,
                          v1::ReplayQuarantinedMessagesResponse* last) {
    grpc::ClientContext context;
    const auto reader = stub->ReplayQuarantinedMessages(&context, request);
    last->Clear();
    while (reader->Read(last)) {
    }
    return reader->Finish();
  };
  const auto drop = [&](const v1::DropQuarantinedMessagesRequest& request,
                        v1::DropQuarantinedMessagesResponse* last) {
    grpc::ClientContext context;
    const auto reader = stub->DropQuarantinedMessages(&context, request);
    last->Clear();
    while (reader->Read(last)) {
    }
    return reader->Finish();
  };
  v1::ReplayQuarantinedMessagesRequest again;
  v1::ReplayQuarantinedMessagesResponse replayed;
  EXPECT_EQ(ExtractError(replay(again, &replayed)).reason, "FIELD_REQUIRED");
  again.mutable_selector()->set_name("messages/1");
  EXPECT_EQ(ExtractError(replay(again, &replayed)).reason, "NAME_MALFORMED");
  again.mutable_selector()->set_name("quarantinedMessages/00000000000000ff-0");
  EXPECT_EQ(ExtractError(replay(again, &replayed)).reason, "RESOURCE_NOT_FOUND");
  again.mutable_selector()->set_all(true);
  again.set_validate_only(true);
  ASSERT_TRUE(replay(again, &replayed).ok());
  EXPECT_EQ(replayed.message_count(), 30);
  EXPECT_EQ(replayed.replayed_count(), 0);
  again.set_validate_only(false);
  ASSERT_TRUE(replay(again, &replayed).ok());
  EXPECT_TRUE(replayed.complete());
  EXPECT_EQ(replayed.replayed_count(), 30);
  EXPECT_EQ(replayed.quarantined_message_count(), 30);
  EXPECT_EQ(replayed.stored_report_count(), 0);
  EXPECT_EQ(List(100, "").quarantined_messages_size(), 30);

  v1::DropQuarantinedMessagesRequest away;
  v1::DropQuarantinedMessagesResponse dropped;
  away.mutable_selector()->set_name(name);
  ASSERT_TRUE(drop(away, &dropped).ok());
  EXPECT_TRUE(dropped.complete());
  EXPECT_EQ(dropped.dropped_count(), 1);
  EXPECT_EQ(ExtractError(drop(away, &dropped)).reason, "RESOURCE_NOT_FOUND");
  away.mutable_selector()->set_reason(reason);
  away.set_validate_only(true);
  ASSERT_TRUE(drop(away, &dropped).ok());
  EXPECT_EQ(dropped.message_count(), 19);
  away.set_validate_only(false);
  ASSERT_TRUE(drop(away, &dropped).ok());
  EXPECT_EQ(dropped.dropped_count(), 19);
  EXPECT_GT(dropped.dropped_bytes(), 19 * 6);
  EXPECT_EQ(List(100, "").quarantined_messages_size(), 10);
  // The same bytes may come again, and are read anew.
  ASSERT_TRUE(Submit(daemon_.channel(), "hello 1", &submitted).ok());
  EXPECT_EQ(List(100, "").quarantined_messages_size(), 11);
}

TEST_F(DaemonTest, ReportsArePurgedAndTotalsVerified) {
  v1::SubmitReportResponse submitted;
  for (const char* domain : {"a.test", "b.test"}) {
    ASSERT_TRUE(Submit(daemon_.channel(), MakeReportXml(domain, "r", {3, 4}), &submitted).ok());
  }
  const auto stub = v1::IntakeService::NewStub(daemon_.channel());
  const auto purge = [&](const v1::PurgeReportsRequest& request, v1::PurgeReportsResponse* last) {
    grpc::ClientContext context;
    const auto reader = stub->PurgeReports(&context, request);
    last->Clear();
    while (reader->Read(last)) {
    }
    return reader->Finish();
  };
  const auto verify = [&](const std::string& parent, v1::VerifyTotalsResponse* last) {
    grpc::ClientContext context;
    v1::VerifyTotalsRequest request;
    request.set_parent(parent);
    const auto reader = stub->VerifyTotals(&context, request);
    last->Clear();
    while (reader->Read(last)) {
    }
    return reader->Finish();
  };
  v1::PurgeReportsRequest request;
  v1::PurgeReportsResponse purged;
  v1::VerifyTotalsResponse verified;
  EXPECT_EQ(ExtractError(purge(request, &purged)).reason, "FIELD_REQUIRED");
  request.set_domain("a.test");
  EXPECT_EQ(ExtractError(purge(request, &purged)).reason, "NAME_MALFORMED");
  request.set_source_address("a.test");
  EXPECT_EQ(ExtractError(purge(request, &purged)).reason, "FIELD_INVALID");
  request.set_domain("domains/A.test");
  for (const bool validate_only : {true, false}) {
    request.set_domain(validate_only ? "domains/A.test" : "domains/a.test.");
    request.set_validate_only(validate_only);
    ASSERT_TRUE(purge(request, &purged).ok());
    EXPECT_TRUE(purged.complete());
    EXPECT_EQ(purged.report_count(), 1);
    EXPECT_EQ(purged.record_count(), 2);
    EXPECT_EQ(purged.message_count(), 7);
    EXPECT_EQ(purged.receipt_count(), 1);
    ASSERT_TRUE(verify("domains/-", &verified).ok());
    EXPECT_TRUE(verified.complete());
    EXPECT_EQ(verified.difference_count(), 0);
    EXPECT_EQ(verified.report_count(), validate_only ? 2 : 1);
  }
  ASSERT_TRUE(verify("domains/b.test", &verified).ok());
  EXPECT_EQ(verified.day_count(), 1);
  EXPECT_EQ(ExtractError(verify("b.test", &verified)).reason, "NAME_MALFORMED");
  request.set_source_address("2001:db8::ffff");
  ASSERT_TRUE(purge(request, &purged).ok());
  EXPECT_EQ(purged.report_count(), 0);
}

TEST_F(DaemonTest, ImportAnswersEachItem) {
  const std::string a = MakeReportXml("a.test", "1", {1}), b = MakeReportXml("b.test", "1", {1});
  std::vector<v1::ImportReportsRequest> frames = {
      Start(1, static_cast<int64_t>(a.size()), Sha256(a)), Chunk(a.substr(0, 10)),
      Chunk(a.substr(10)), End(),
      // Announced with another size or hash: nothing is kept.
      Start(2, static_cast<int64_t>(a.size()) + 1), Chunk(a), End(), Start(3, 10), Chunk(a),
      Chunk(a), End(), Start(4, static_cast<int64_t>(b.size()), Sha256(a + "x")), Chunk(b), End(),
      Start(5, 20, "short"), Chunk("x"), End(), Start(6, int64_t{1} << 40), Chunk("x"), End(),
      // A bad item does not end the stream.
      Start(7, static_cast<int64_t>(b.size())), Chunk(b), End()};
  const auto [results, status] = Stream(frames);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::map<int64_t, v1::ItemOutcome> outcomes;
  for (const auto& result : results) outcomes[result.item_id()] = result.items(0).outcome();
  EXPECT_THAT(outcomes, testing::ElementsAre(testing::Pair(1, v1::ITEM_OUTCOME_STORED),
                                             testing::Pair(2, v1::ITEM_OUTCOME_INVALID),
                                             testing::Pair(3, v1::ITEM_OUTCOME_INVALID),
                                             testing::Pair(4, v1::ITEM_OUTCOME_INVALID),
                                             testing::Pair(5, v1::ITEM_OUTCOME_INVALID),
                                             testing::Pair(6, v1::ITEM_OUTCOME_OVER_LIMIT),
                                             testing::Pair(7, v1::ITEM_OUTCOME_STORED)));
  // Known bytes need not be sent.
  const auto [again, second] =
      Stream({Start(8, static_cast<int64_t>(a.size()), Sha256(a)), Start(9, 1), Chunk("x"), End()});
  EXPECT_TRUE(second.ok());
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0].items(0).outcome(), v1::ITEM_OUTCOME_DUPLICATE);
}

TEST_F(DaemonTest, ABrokenOrderOfFramesEndsTheStream) {
  const std::vector<std::vector<v1::ImportReportsRequest>> orders = {
      {Chunk("x")},
      {End()},
      {v1::ImportReportsRequest()},
      {Start(1, 10), Start(2, 10)},
      {Start(1, 10), Chunk("half")},
      {Start(1, 1 << 20), Chunk(std::string((256 << 10) + 1, 'x'))},
  };
  for (const auto& frames : orders) {
    EXPECT_EQ(ExtractError(Stream(frames).second).reason, "STREAM_PROTOCOL");
  }
}

// The stream has ended and its client fetches nothing; what it had begun holds no memory.
TEST_F(DaemonTest, AnEndedStreamGivesItsMemoryBack) {
  constexpr int64_t kLarge = 10 << 20;  // twice this is more than the queue holds
  const std::string label(60, 'a');
  const std::string xml =
      MakeReportXml(fmt::format("{0}.{0}.{0}.test", label), "1", {1});  // for long results
  v1::SubmitReportResponse stored;
  ASSERT_TRUE(Submit(daemon_.channel(), xml, &stored).ok());
  grpc::ChannelArguments narrow;
  narrow.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  narrow.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  narrow.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1 << 10);
  grpc::ClientContext context;
  const auto stub = v1::IntakeService::NewStub(
      grpc::CreateCustomChannel("unix:" + daemon_.directory().File("run/socket"),
                                grpc::InsecureChannelCredentials(), narrow));
  const auto stream = stub->ImportReports(&context);
  // More results than gRPC takes without a reader, and not so many that ingestd reads no more.
  for (int i = 0; i < 900; ++i) {
    stream->Write(Start(i, static_cast<int64_t>(xml.size()), Sha256(xml)));
  }
  stream->Write(Start(1, kLarge));
  stream->Write(Chunk("x"));
  stream->Write(Start(2, kLarge));  // against the protocol
  std::vector<v1::ImportReportsRequest> frames = {Start(3, kLarge)};
  for (int64_t sent = 0; sent < kLarge; sent += 256 << 10) {
    frames.push_back(Chunk(std::string(256 << 10, 'x')));
  }
  frames.push_back(End());
  const auto [results, status] = Stream(frames);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(results.size(), 1u);
  context.TryCancel();
}

TEST_F(DaemonTest, MailInAMaildirIsCounted) {
  const std::string xml = MakeReportXml("mail.test", "m", {5});
  const std::string temporary = daemon_.directory().Write("mail/tmp/1.host", xml);
  ASSERT_EQ(rename(temporary.c_str(), daemon_.directory().File("mail/new/1.host").c_str()), 0);
  const auto reader = daemon_.Reader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE(testing_support::WaitUntil([&] {
    if (!(*reader)->CatchUp().ok()) return false;
    const auto totals = (*reader)->ReadTotals("mail.test", 0, 30'000);
    return totals.ok() && totals->size() == 1 && totals->front().messages == 5;
  }));
}

TEST_F(DaemonTest, SigtermAnswersWhatIsInWorkAndEnds) {
  grpc::ClientContext context;
  const auto stub = v1::IntakeService::NewStub(daemon_.channel());
  const auto stream = stub->ImportReports(&context);
  const std::string xml = MakeReportXml("a.test", "1", {1});
  stream->Write(Start(1, static_cast<int64_t>(xml.size())));
  stream->Write(Chunk(xml));
  stream->Write(End());
  v1::ImportReportsResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(daemon_.Stop(), 0) << daemon_.log();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(ExtractError(stream->Finish()).reason, "SHUTTING_DOWN");
}

TEST_F(DaemonTest, ASecondDaemonOnTheSameStoreDoesNotStart) {
  const auto second = testing_support::RunCommand(
      {std::string(getenv("DMARCATE_BIN") ? getenv("DMARCATE_BIN") : "build/bin") + "/ingestd",
       "--config", daemon_.directory().File("ingestd.toml")});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->exit_code, 1) << second->output;
  EXPECT_TRUE(daemon_.Running());
}

TEST_F(DaemonTest, AMaterialRepairIsSaid) {
  std::string xml = MakeReportXml("a.test", "cut", {1, 2});
  xml.resize(xml.rfind("<auth_results>"));
  v1::SubmitReportResponse submitted;
  ASSERT_TRUE(Submit(daemon_.channel(), xml, &submitted).ok());
  ASSERT_EQ(submitted.items_size(), 1);
  EXPECT_EQ(submitted.items(0).outcome(), v1::ITEM_OUTCOME_STORED);
  EXPECT_TRUE(submitted.items(0).material());
  EXPECT_EQ(submitted.items(0).detail(), "record_unclosed at record[2]");
  ASSERT_TRUE(Submit(daemon_.channel(), MakeReportXml("a.test", "whole", {1}), &submitted).ok());
  EXPECT_FALSE(submitted.items(0).material());
  EXPECT_EQ(submitted.items(0).detail(), "");
}

// What a replay says of reports that were there before, and of messages that it cannot read again.
TEST_F(DaemonTest, AReplaySaysWhatIsNewAndWhatFailed) {
  const std::string broken = "Subject: r\nContent-Type: text/xml\n\n<feedback><report_metadata>";
  const auto mbox = [&broken](const std::string& good) {
    return fmt::format(
        "From a@b.test Thu Jan  1 00:00:00 1970\n{}\n\n"
        "From a@b.test Thu Jan  1 00:00:00 1970\n{}\n\n",
        broken, good);
  };
  v1::SubmitReportResponse submitted;
  const std::string good =
      "Subject: r\nContent-Type: text/xml\n\n" + MakeReportXml("a.test", "good", {1});
  ASSERT_TRUE(Submit(daemon_.channel(), mbox(good), &submitted).ok());
  ASSERT_EQ(submitted.items_size(), 2);
  // Its bytes are not kept: a failure report that was recognised only by being read.
  const std::string failure =
      "From: a@reporter.test\nSubject: f\nMIME-Version: 1.0\n"
      "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
      "Content-Type: message/feedback-report\n\nFeedback-Type: auth-failure\n"
      "User-Agent: R/1\nVersion: 1\nSource-IP: 192.0.2.7\nReported-Domain: a.test\n"
      "Auth-Failure: dmarc\n\n--b\nContent-Type: text/rfc822-headers\n\n"
      "From: person@a.test\n\n--b--";
  ASSERT_TRUE(Submit(daemon_.channel(), mbox(failure), &submitted).ok());
  ASSERT_EQ(submitted.items_size(), 2);
  ASSERT_NE(submitted.items(1).failure_report(), "") << submitted.items(1).reason();

  v1::ReplayQuarantinedMessagesRequest request;
  request.mutable_selector()->set_all(true);
  grpc::ClientContext context;
  const auto reader =
      v1::IntakeService::NewStub(daemon_.channel())->ReplayQuarantinedMessages(&context, request);
  v1::ReplayQuarantinedMessagesResponse last, response;
  std::vector<v1::ReplayFailure> failures;
  while (reader->Read(&response)) {
    last = response;
    failures.insert(failures.end(), response.failures().begin(), response.failures().end());
  }
  ASSERT_TRUE(reader->Finish().ok());
  EXPECT_EQ(last.message_count(), 2);
  EXPECT_EQ(last.replayed_count(), 1);
  EXPECT_EQ(last.stored_report_count(), 0) << "it was there before";
  EXPECT_EQ(last.quarantined_message_count(), 1);
  EXPECT_EQ(last.failed_message_count(), 1);
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].name(), "quarantinedMessages/0000000000000002-0");
  EXPECT_THAT(failures[0].detail(), testing::HasSubstr("expired"));
}

}  // namespace
}  // namespace dmarcate
