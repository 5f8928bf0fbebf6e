#include "cli/review_queue.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmarcate::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Decision = ReviewQueue::Decision;

TEST(ReviewKey, IsOneLetterOfEitherCase) {
  EXPECT_EQ(ReadReviewKey("a"), ReviewKey::kApprove);
  EXPECT_EQ(ReadReviewKey(" R \r"), ReviewKey::kReject);
  EXPECT_EQ(ReadReviewKey("u"), ReviewKey::kUndo);
  EXPECT_EQ(ReadReviewKey("x"), ReviewKey::kHelp);
  EXPECT_EQ(ReadReviewKey("reset"), ReviewKey::kHelp) << "no reject by accident";
  EXPECT_EQ(ReadReviewKey("  "), std::nullopt);
}

TEST(ReviewQueue, GoesThroughAllAndKeepsWhatWasDecided) {
  ReviewQueue queue(3);
  queue.Answer(ReviewKey::kApprove);
  queue.Answer(ReviewKey::kSkip);
  EXPECT_EQ(queue.current(), 2u);
  EXPECT_FALSE(queue.done());
  queue.Answer(ReviewKey::kReject);
  EXPECT_TRUE(queue.done());
  EXPECT_THAT(queue.decisions(), ElementsAre(Decision{0, true}, Decision{2, false}));
}

TEST(ReviewQueue, TheWayBackForgetsTheAnswer) {
  ReviewQueue queue(2);
  EXPECT_FALSE(queue.Undo());
  queue.Answer(ReviewKey::kApprove);
  EXPECT_TRUE(queue.Undo());
  EXPECT_EQ(queue.current(), 0u);
  EXPECT_THAT(queue.decisions(), IsEmpty());
  queue.Answer(ReviewKey::kReject);
  EXPECT_THAT(queue.decisions(), ElementsAre(Decision{0, false}));
}

TEST(ReviewQueue, OfNothingItIsDone) { EXPECT_TRUE(ReviewQueue(0).done()); }

}  // namespace
}  // namespace dmarcate::cli
