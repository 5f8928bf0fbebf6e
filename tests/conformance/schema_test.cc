// That the vendors' own descriptions are really held against what the adapters send.

#include "tests/conformance/vendor/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/test_data.h"

namespace dmarcate::testing_support {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(SchemaTest, DigitalOceanModels) {
  DMARCATE_CORPUS_OR_SKIP(path, "provider-apis/digitalocean");
  const std::string types = "digitalocean/domains/models/domain_record_types.yml";
  json record = {{"type", "TXT"},    {"name", "@"},    {"data", "x"},
                 {"flags", nullptr}, {"tag", nullptr}, {"ttl", 30}};
  EXPECT_THAT(CheckModel(types, "domain_record_txt", record), IsEmpty()) << path;
  record["ttl"] = "30";
  EXPECT_THAT(CheckModel(types, "domain_record_txt", record), Contains(HasSubstr("integer")));
  record["ttl"] = 30;
  record.erase("flags");
  EXPECT_THAT(CheckModel(types, "domain_record_txt", record), Contains(HasSubstr("flags")));
}

TEST(SchemaTest, Route53Shapes) {
  DMARCATE_CORPUS_OR_SKIP(path, "provider-apis/route53");
  const auto check = [](const std::string& set) {
    return CheckBotocoreXml("route53/service-2-subset.json", "ChangeResourceRecordSetsRequest",
                            "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes><Change>"
                            "<Action>CREATE</Action><ResourceRecordSet>" +
                                set +
                                "</ResourceRecordSet></Change></Changes></ChangeBatch>"
                                "</ChangeResourceRecordSetsRequest>");
  };
  EXPECT_THAT(check("<Name>a.</Name><Type>TXT</Type><TTL>1</TTL>"), IsEmpty()) << path;
  EXPECT_THAT(check("<Name>a.</Name>"), Contains(HasSubstr("Type")));
  EXPECT_THAT(check("<Name>a.</Name><Type>SPAM</Type>"), Contains(HasSubstr("SPAM")));
  EXPECT_THAT(check("<Name>a.</Name><Type>TXT</Type><TTL>-1</TTL>"), Contains(HasSubstr("-1")));
  EXPECT_THAT(check("<Name>a.</Name><Type>TXT</Type><Tll>1</Tll>"), Contains(HasSubstr("Tll")));
}

// The source has no schemas of records; its paths and methods are what the server takes.
TEST(SchemaTest, CloudflarePaths) {
  DMARCATE_CORPUS_OR_SKIP(path, "provider-apis/cloudflare");
  const json paths = json::parse(ReadWholeFile(path + "/dns-paths-openapi.json")).at("paths");
  EXPECT_TRUE(paths.at("/zones/{zone_id}/dns_records").contains("get"));
  EXPECT_TRUE(paths.at("/zones/{zone_id}/dns_records").contains("post"));
  EXPECT_TRUE(paths.at("/zones/{zone_id}/dns_records/{dns_record_id}").contains("patch"));
  EXPECT_TRUE(paths.at("/zones/{zone_id}/dns_records/{dns_record_id}").contains("delete"));
}

}  // namespace
}  // namespace dmarcate::testing_support
