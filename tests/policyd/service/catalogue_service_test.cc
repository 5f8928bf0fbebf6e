#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/catalogue.grpc.pb.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_own_service_store.h"
#include "policyd/analysis/catalogue_text.h"
#include "policyd/service/catalogue_desk.h"
#include "policyd/service/convert.h"
#include "tests/policyd/service/source_world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using v1::CatalogueService;
using Stub = CatalogueService::Stub;

// Over the sources of source_world.h, and 7 messages of a sender that nobody has described.
class CatalogueServiceTest : public service_testing::SourceWorld {
 protected:
  CatalogueServiceTest() {
    world_.AddReport(Report(world_.DaysAgo(1),
                            {Row(7).From("198.51.100.9").Dkim("mail.shop.example.net", "shop7")},
                            "receiver-two.test"));
  }
  static v1::MailService Shop() {
    v1::MailService out;
    out.set_display_name("Our shop");
    out.set_kind(v1::MailService::KIND_APPLICATION);
    out.add_dkim_domains("shop.example.net");
    out.set_spf_alignment(v1::MailService::SPF_ALIGNMENT_NEVER);
    out.set_setup("Publish its two CNAMEs.");
    return out;
  }
  std::string Create(const std::string& id, const v1::MailService& service,
                     bool validate_only = false) {
    v1::CreateMailServiceRequest request;
    request.set_mail_service_id(id);
    *request.mutable_mail_service() = service;
    request.set_validate_only(validate_only);
    v1::CreateMailServiceResponse response;
    status_ = world_.Call<CatalogueService>(&Stub::CreateMailService, request, &response);
    if (status_.ok()) shown_ = response.mail_service();
    return ReasonOf(status_);
  }
  std::string Update(const v1::MailService& service, const std::vector<std::string>& paths) {
    v1::UpdateMailServiceRequest request;
    *request.mutable_mail_service() = service;
    for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
    v1::UpdateMailServiceResponse response;
    status_ = world_.Call<CatalogueService>(&Stub::UpdateMailService, request, &response);
    if (status_.ok()) shown_ = response.mail_service();
    return ReasonOf(status_);
  }
  std::string Delete(const std::string& name, const std::string& etag) {
    v1::DeleteMailServiceRequest request;
    request.set_name(name);
    request.set_etag(etag);
    v1::DeleteMailServiceResponse response;
    return ReasonOf(world_.Call<CatalogueService>(&Stub::DeleteMailService, request, &response));
  }
  v1::MailService GetService(const std::string& id) {
    v1::GetMailServiceRequest request;
    request.set_name("mailServices/" + id);
    v1::GetMailServiceResponse response;
    status_ = world_.Call<CatalogueService>(&Stub::GetMailService, request, &response);
    return response.mail_service();
  }

  grpc::Status status_;
  v1::MailService shown_;
};

TEST_F(CatalogueServiceTest, WhatIsAddedNamesItsSourcesAtOnce) {
  EXPECT_THAT(List({}), Contains("dkim-mail.shop.example.net"));
  ASSERT_EQ(Create("shop", Shop(), /*validate_only=*/true), "") << status_.error_message();
  EXPECT_THAT(List({}), Not(Contains("shop")));
  ASSERT_EQ(Create("shop", Shop()), "") << status_.error_message();
  EXPECT_EQ(shown_.name(), "mailServices/shop");
  EXPECT_EQ(shown_.origin(), v1::MailService::ORIGIN_API);
  EXPECT_EQ(shown_.updated_by(), "token/root");
  EXPECT_THAT(List({}), ElementsAre("sendgrid", "microsoft-365", "shop", "ip-198-51-100-7"));
  const v1::Source source = Get("domains/example.com/sources/shop");
  EXPECT_EQ(source.display_name(), "Our shop");
  EXPECT_EQ(source.kind(), v1::Source::KIND_SENDER);
  EXPECT_EQ(Create("shop", Shop()), "RESOURCE_EXISTS");

  EXPECT_EQ(Delete("mailServices/shop", shown_.etag()), "");
  EXPECT_THAT(List({}), Contains("dkim-mail.shop.example.net"));
  EXPECT_EQ(Delete("mailServices/shop", shown_.etag()), "RESOURCE_NOT_FOUND");
}

TEST_F(CatalogueServiceTest, AChangeChangesWhatItNames) {
  ASSERT_EQ(Create("shop", Shop()), "");
  v1::MailService service;
  service.set_name(shown_.name());
  service.set_etag(shown_.etag());
  service.add_selectors("shop#");
  EXPECT_EQ(Update(service, {"selector"}), "UPDATE_MASK_INVALID");
  ASSERT_EQ(Update(service, {"selectors"}), "") << status_.error_message();
  EXPECT_EQ(shown_.display_name(), "Our shop");
  EXPECT_THAT(shown_.dkim_domains(), ElementsAre("shop.example.net"));
  EXPECT_THAT(GetService("shop").selectors(), ElementsAre("shop#"));
  EXPECT_EQ(Update(service, {"selectors"}), "ETAG_MISMATCH");
  // Without a mask: all of it.
  v1::MailService whole = Shop();
  whole.set_name(shown_.name());
  whole.set_etag(shown_.etag());
  ASSERT_EQ(Update(whole, {}), "");
  EXPECT_EQ(GetService("shop").selectors_size(), 0);
  service.clear_etag();
  EXPECT_EQ(Update(service, {"selectors"}), "ETAG_REQUIRED");
  service.set_name("mailServices/sendgrid");
  EXPECT_EQ(Update(service, {"selectors"}), "RESOURCE_NOT_FOUND") << "it is shipped";
  EXPECT_THAT(status_.error_message(), HasSubstr("takes its place"));
  service.set_name("mailServices/none-such");
  EXPECT_EQ(Update(service, {"selectors"}), "RESOURCE_NOT_FOUND");
  EXPECT_THAT(status_.error_message(), Not(HasSubstr("takes its place")));
}

TEST_F(CatalogueServiceTest, AWrongServiceIsRefusedAndSaysWhy) {
  struct Case {
    std::string name, id, want, says;
    void (*spoil)(v1::MailService*);
  };
  const Case kCases[] = {
      {"no id", "", "FIELD_REQUIRED", "", [](v1::MailService*) {}},
      {"an id of other sources", "dkim-shop", "FIELD_INVALID", "", [](v1::MailService*) {}},
      {"capitals", "Shop", "FIELD_INVALID", "", [](v1::MailService*) {}},
      {"no name", "shop", "FIELD_REQUIRED", "display_name",
       [](v1::MailService* s) { s->clear_display_name(); }},
      {"no kind", "shop", "FIELD_REQUIRED", "kind", [](v1::MailService* s) { s->clear_kind(); }},
      {"nothing to know it by", "shop", "FIELD_INVALID", "nothing to recognise it by",
       [](v1::MailService* s) { s->clear_dkim_domains(); }},
      {"another service's name", "shop", "FIELD_INVALID", "service sendgrid",
       [](v1::MailService* s) { s->add_dkim_domains("sendgrid.net"); }},
      {"a public suffix", "shop", "FIELD_INVALID", "co.uk",
       [](v1::MailService* s) { s->add_dkim_domains("co.uk"); }},
      {"a private range", "shop", "FIELD_INVALID", "10.0.0.0/8",
       [](v1::MailService* s) { s->add_ranges("10.0.0.0/8"); }},
      {"a link without TLS", "shop", "FIELD_INVALID", "https",
       [](v1::MailService* s) { s->set_url("http://shop.example.net"); }},
      {"an unknown service's include", "shop", "FIELD_INVALID", "none-such",
       [](v1::MailService* s) { s->add_shares("none-such"); }},
  };
  for (const Case& test : kCases) {
    v1::MailService service = Shop();
    test.spoil(&service);
    EXPECT_EQ(Create(test.id, service), test.want) << test.name;
    EXPECT_THAT(status_.error_message(), HasSubstr(test.says)) << test.name;
  }
}

TEST_F(CatalogueServiceTest, AnEntryOfItsIdTakesThePlaceOfAShippedOne) {
  EXPECT_EQ(GetService("sendgrid").origin(), v1::MailService::ORIGIN_SHIPPED);
  v1::MailService better = GetService("sendgrid");
  better.set_display_name("SendGrid, as we use it");
  ASSERT_EQ(Create("sendgrid", better), "") << status_.error_message();
  EXPECT_EQ(Get(service_testing::kSendgrid).display_name(), "SendGrid, as we use it");
  v1::ListMailServicesRequest request;
  request.add_origins(v1::MailService::ORIGIN_API);
  v1::ListMailServicesResponse response;
  DMARCATE_CALL(world_, CatalogueService, ListMailServices, request, &response);
  ASSERT_EQ(response.mail_services_size(), 1);
  ASSERT_EQ(Delete("mailServices/sendgrid", shown_.etag()), "");
  EXPECT_EQ(Get(service_testing::kSendgrid).display_name(), "Twilio SendGrid");
}

TEST_F(CatalogueServiceTest, ListsAllInPages) {
  ASSERT_EQ(Create("shop", Shop()), "");
  v1::ListMailServicesRequest request;
  request.set_page_size(100);
  size_t count = 0;
  std::string last;
  do {
    v1::ListMailServicesResponse response;
    DMARCATE_CALL(world_, CatalogueService, ListMailServices, request, &response);
    for (const v1::MailService& service : response.mail_services()) {
      EXPECT_LT(last, service.name());
      last = service.name();
      ++count;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(count, Catalogue::Default().services().size() + 1);
}

// What was stored, and a release that describes the same service since.
TEST(CatalogueDesk, WhatContradictsTheShippedCatalogueAtTheStartDoesNotCount) {
  FakeOwnServiceStore store;
  const FakeClock clock{absl::FromUnixSeconds(1'782'820'800)};
  const auto suffixes = BuiltinPublicSuffixList();
  CatalogueBook book(Catalogue::Default());
  CatalogueDesk desk(store, book, *suffixes, clock);
  MailService good{.id = "shop", .name = "Shop", .dkim_domains = {"shop.example.net"}};
  MailService rival{.id = "rival", .name = "Rival", .dkim_domains = {"sendgrid.net"}};
  for (const MailService& service : {good, rival}) {
    OwnServiceRecord record;
    record.id = service.id;
    record.text = RenderService(service);
    ASSERT_TRUE(store.PutOwnService(record).ok());
  }
  OwnServiceRecord broken;
  broken.id = "broken";
  broken.text = "no toml";
  ASSERT_TRUE(store.PutOwnService(broken).ok());
  ASSERT_TRUE(desk.Load().ok());
  EXPECT_NE(book.Get().catalogue->FindById("shop"), nullptr);
  EXPECT_EQ(book.Get().catalogue->FindById("rival"), nullptr);
  EXPECT_EQ(book.Get().catalogue->FindByDkimDomain("sendgrid.net")->id, "sendgrid");
  EXPECT_THAT(desk.Find("rival")->ignored_reason, HasSubstr("sendgrid"));
  EXPECT_NE(desk.Find("broken")->ignored_reason, "");
  EXPECT_EQ(desk.Find("shop")->ignored_reason, "");
  // And can be removed, or mended.
  EXPECT_TRUE(desk.Delete("broken", MakeEtag(1), "p", /*validate_only=*/false).ok());
  rival.dkim_domains = {"rival.example.net"};
  const auto mended = desk.Put({.service = rival, .etag = MakeEtag(1), .who = "p"});
  ASSERT_TRUE(mended.ok()) << mended.status();
  EXPECT_EQ(mended->ignored_reason, "");
  EXPECT_NE(book.Get().catalogue->FindById("rival"), nullptr);
  EXPECT_NE(book.Get().catalogue->FindById("shop"), nullptr);
}

TEST(CatalogueBook, WhatWasInUseStaysWhileItIsRead) {
  CatalogueBook book(Catalogue::Default());
  const CatalogueView before = book.Get();
  MailService own{.id = "sendgrid", .name = "Other", .dkim_domains = {"sendgrid.net"}};
  ASSERT_TRUE(book.Replace({own}, absl::ZeroDuration()).ok());
  const CatalogueView after = book.Get();
  EXPECT_NE(after.version, before.version);
  EXPECT_EQ(before.catalogue->FindById("sendgrid")->name, "Twilio SendGrid");
  EXPECT_EQ(after.catalogue->FindById("sendgrid")->name, "Other");
  own.id = "rival";
  own.dkim_domains = {"mailgun.org"};
  EXPECT_FALSE(book.Replace({own}, absl::ZeroDuration()).ok());
  EXPECT_EQ(book.Get().version, after.version) << "nothing has changed";
}

TEST(CatalogueBook, KeepsWhatCallsMayReadForHalfAnHour) {
  CatalogueBook book(Catalogue::Default());
  const MailService own{.id = "shop", .name = "Shop", .dkim_domains = {"shop.example.net"}};
  // Nobody has seen the first five: they are gone at once.
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(book.Replace({own}, absl::Seconds(i)).ok());
  EXPECT_EQ(book.kept(), 0u);
  const std::weak_ptr<const Catalogue> seen = book.Get().catalogue;
  const CatalogueView held = book.Get();
  ASSERT_TRUE(book.Replace({}, absl::Minutes(1)).ok());
  ASSERT_TRUE(book.Replace({own}, absl::Minutes(31)).ok());
  EXPECT_EQ(book.kept(), 1u);
  ASSERT_TRUE(book.Replace({}, absl::Minutes(31) + absl::Seconds(1)).ok());
  EXPECT_EQ(book.kept(), 0u);
  EXPECT_FALSE(seen.expired()) << "who holds it has it for as long as they hold it";
  EXPECT_EQ(held.catalogue->FindById("shop")->name, "Shop");
}

}  // namespace
}  // namespace dmarcate
