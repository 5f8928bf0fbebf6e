#include "policyd/analysis/catalogue_text.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "policyd/analysis/catalogue_file.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

MailService Shop() {
  MailService out{.id = "shop", .name = "Our shop", .kind = ServiceKind::kApplication};
  out.dkim_domains = {"shop.example.net"};
  out.spf_alignment = SpfAlignment::kNever;
  return out;
}

TEST(CatalogueText, IsAsInAFile) {
  MailService shop = Shop();
  shop.selectors = {"shop#", "old"};
  shop.setup = "Publish \"two\" CNAMEs.";
  EXPECT_EQ(RenderService(shop),
            "[[service]]\n"
            "id = \"shop\"\n"
            "name = \"Our shop\"\n"
            "kind = \"application\"\n"
            "dkim_domains = [\"shop.example.net\"]\n"
            "selectors = [\"shop#\", \"old\"]\n"
            "spf = \"never\"\n"
            "setup = \"Publish \\\"two\\\" CNAMEs.\"\n");
}

TEST(CatalogueText, EveryServiceComesBack) {
  std::vector<MailService> services = ShippedServices();
  MailService odd = Shop();
  odd.name = "a \\ \" ' # = [x]\n\t\x7f \xC3\xA4";
  services.push_back(odd);
  for (const MailService& service : services) {
    const std::string text = RenderService(service);
    const auto got = ParseStoredService(text, service.id);
    ASSERT_TRUE(got.ok()) << got.status() << "\n" << text;
    EXPECT_EQ(RenderService(*got), text);
    EXPECT_EQ(got->name, service.name);
    EXPECT_EQ(got->kind, service.kind);
    EXPECT_EQ(got->spf_includes, service.spf_includes);
    EXPECT_EQ(got->dkim_domains, service.dkim_domains);
    EXPECT_EQ(got->envelope_domains, service.envelope_domains);
    EXPECT_EQ(got->selectors, service.selectors);
    EXPECT_EQ(got->reverse_names, service.reverse_names);
    EXPECT_EQ(got->mx_names, service.mx_names);
    EXPECT_EQ(got->ranges, service.ranges);
    EXPECT_EQ(got->shares, service.shares);
    EXPECT_EQ(got->spf_alignment, service.spf_alignment);
    EXPECT_EQ(got->setup, service.setup);
    EXPECT_EQ(got->url, service.url);
  }
}

TEST(CatalogueText, WhatIsStoredForAnotherIsDataLoss) {
  const std::string text = RenderService(Shop());
  EXPECT_EQ(ParseStoredService(text, "other").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseStoredService(text + text, "shop").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseStoredService("", "shop").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseStoredService("no toml", "shop").status().code(), absl::StatusCode::kDataLoss);
}

TEST(CatalogueText, TheFirstFaultIsTold) {
  const auto suffixes = BuiltinPublicSuffixList();
  EXPECT_TRUE(CheckOwnService(Shop(), *suffixes).ok());
  MailService bare = Shop();
  bare.dkim_domains.clear();
  const absl::Status status = CheckOwnService(bare, *suffixes);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nothing to recognise it by"));
}

}  // namespace
}  // namespace dmarcate
