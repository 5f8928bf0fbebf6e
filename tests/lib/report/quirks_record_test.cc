// report-quirks sections 9, 10 and 11: rows, identifiers, results.
#include <gtest/gtest.h>

#include "tests/lib/report/quirk_case.h"

namespace dmarcate {
namespace {

using Report = const AggregateReport&;

constexpr auto kAccepted = Outcome::kAccepted;
constexpr auto kCosmetic = Outcome::kAcceptedCosmetic;
constexpr auto kMaterial = Outcome::kAcceptedMaterial;

std::string Ip(std::string_view text) { return Changed("192.0.2.1</", std::string(text) + "</"); }
std::string Count(std::string_view text) {
  return Changed(">2</count>", std::string(">") + std::string(text) + "</count>");
}
std::string WithDisposition(std::string_view text) {
  return Changed("<disposition>none", "<disposition>" + std::string(text));
}
std::string Aligned(std::string_view text) {
  return Changed("<spf>fail", "<spf>" + std::string(text));
}
std::string Reason(std::string_view xml) {
  return Changed("<spf>fail</spf>", "<spf>fail</spf>" + std::string(xml));
}
// `text` stands before "example.com".
std::string HeaderFrom(std::string_view text) {
  return Changed("<header_from>", "<header_from>" + std::string(text));
}
std::string DkimResult(std::string_view text) {
  return Changed("<result>pass</result></dkim>",
                 "<result>" + std::string(text) + "</result></dkim>");
}
std::string SpfResult(std::string_view text) {
  return Changed("<result>pass</result></spf>", "<result>" + std::string(text) + "</result></spf>");
}

const QuirkCase kCases[] = {
    {"Good",
     GoodReport(),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.messages(), 5u);
       ASSERT_EQ(r.records.size(), 2u);
       EXPECT_EQ(r.records[0].source_ip->ToString(), "192.0.2.1");
       EXPECT_TRUE(r.records[0].dmarc_pass());
       EXPECT_FALSE(r.records[1].dmarc_pass());
       EXPECT_EQ(r.records[0].dkim[0].selector, "s1");
       EXPECT_EQ(r.records[1].spf[0].scope, SpfScope::kHelo);
       EXPECT_EQ(r.records[1].spf[0].result, AuthResult::kSoftfail);
       EXPECT_EQ(r.records[0].envelope_from, std::nullopt);
       EXPECT_EQ(r.policy.sp, Policy::kReject);
       EXPECT_EQ(r.policy.np, std::nullopt);
     }},
    // --- W: row and policy_evaluated ---
    {"W1_Padded",
     Ip(" 192.0.2.1\t\n"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].source_ip->ToString(), "192.0.2.1"); }},
    {"W1_UpperCaseIpv6",
     Ip("2001:DB8:0:0::1"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].source_ip->ToString(), "2001:db8::1"); }},
    {"W1_Brackets",
     Ip("[2001:db8::1]"),
     kCosmetic,
     {"ip_normalized record[1]/row/source_ip [[2001:db8::1]] -> [2001:db8::1]"}},
    {"W1_Zone",
     Ip("fe80::1%eth0"),
     kCosmetic,
     {"ip_normalized record[1]/row/source_ip [fe80::1%eth0] -> [fe80::1]"}},
    {"W1_Mapped",
     Ip("::ffff:192.0.2.9"),
     kCosmetic,
     {"ip_normalized record[1]/row/source_ip [::ffff:192.0.2.9] -> [192.0.2.9]"}},
    {"W2_Empty",
     Ip(""),
     kCosmetic,
     {"ip_missing record[1]/row/source_ip [] -> []"},
     [](Report r) {
       EXPECT_FALSE(r.records[0].source_ip.has_value());
       EXPECT_EQ(r.messages(), 5u);
     }},
    {"W2_Absent",
     Changed("<source_ip>192.0.2.1</source_ip>", ""),
     kCosmetic,
     {"ip_missing record[1]/row/source_ip [] -> []"}},
    {"W2_HostName",
     Ip("localhost"),
     kMaterial,
     {"ip_unreadable record[1]/row/source_ip [localhost] -> [] material"}},
    {"W2_Redacted",
     Ip("X.X.X.X"),
     kMaterial,
     {"ip_unreadable record[1]/row/source_ip [X.X.X.X] -> [] material"}},
    {"W2_Unspecified",
     Ip("0.0.0.0"),
     kMaterial,
     {"ip_unreadable record[1]/row/source_ip [0.0.0.0] -> [] material"}},
    {"W2_Private",
     Ip("10.1.2.3"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].source_ip->ToString(), "10.1.2.3"); }},
    {"W3_Prefix",
     Ip("192.0.2.1/32"),
     kMaterial,
     {"ip_trimmed record[1]/row/source_ip [192.0.2.1/32] -> [192.0.2.1] material"}},
    {"W3_Port",
     Ip("192.0.2.1:25"),
     kMaterial,
     {"ip_trimmed record[1]/row/source_ip [192.0.2.1:25] -> [192.0.2.1] material"}},
    {"W3_PortAfterBrackets",
     Ip("[2001:db8::1]:25"),
     kMaterial,
     {"ip_trimmed record[1]/row/source_ip [[2001:db8::1]:25] -> [2001:db8::1] material"}},
    {"W3_List",
     Ip("192.0.2.7, 192.0.2.8"),
     kMaterial,
     {"ip_trimmed record[1]/row/source_ip [192.0.2.7, 192.0.2.8] -> [192.0.2.7] material"}},
    {"W4_LeadingZeros",
     Ip("010.1.002.3"),
     kMaterial,
     {"ip_leading_zero record[1]/row/source_ip [010.1.002.3] -> [10.1.2.3] material"}},
    {"W5_Empty",
     Count(""),
     kMaterial,
     {"count_assumed record[1]/row/count [] -> [1] material"},
     [](Report r) { EXPECT_EQ(r.messages(), 4u); }},
    {"W5_Absent",
     Changed("<count>2</count>", ""),
     kMaterial,
     {"count_assumed record[1]/row/count [] -> [1] material"}},
    {"W5_AbsentWithoutAddress",
     Changed("<source_ip>192.0.2.1</source_ip><count>2</count>", ""),
     kCosmetic,
     {"ip_missing record[1]/row/source_ip [] -> []", "count_missing record[1]/row/count [] -> [0]"},
     [](Report r) { EXPECT_EQ(r.messages(), 3u); }},
    {"W5_Fraction",
     Count("7.0"),
     kMaterial,
     {"count_folded record[1]/row/count [7.0] -> [7] material"}},
    {"W5_Thousands",
     Count("1,234,567"),
     kMaterial,
     {"count_folded record[1]/row/count [1,234,567] -> [1234567] material"}},
    {"W5_Ambiguous",
     Count("1.234"),
     kMaterial,
     {"count_invalid record[1]/row/count [1.234] -> [0] material"}},
    {"W5_OddGroups",
     Count("12,34"),
     kMaterial,
     {"count_invalid record[1]/row/count [12,34] -> [0] material"}},
    {"W5_Padded", Count(" 2 "), kAccepted, {}, [](Report r) { EXPECT_EQ(r.messages(), 5u); }},
    {"W6_Zero",
     Count("0"),
     kAccepted,
     {},
     [](Report r) {
       ASSERT_EQ(r.records.size(), 2u);
       EXPECT_EQ(r.records[0].count, 0u);
     }},
    {"W7_Negative",
     Count("-3"),
     kMaterial,
     {"count_invalid record[1]/row/count [-3] -> [0] material"}},
    {"W7_Letters",
     Count("many"),
     kMaterial,
     {"count_invalid record[1]/row/count [many] -> [0] material"}},
    {"W8_AboveCeiling",
     Count("3000000000"),
     kMaterial,
     {"count_absurd record[1]/row/count [3000000000] -> [3000000000] material"},
     [](Report r) { EXPECT_EQ(r.records[0].count, 3'000'000'000u); }},
    {"W8_Saturates",
     Count("99999999999999999999"),
     kMaterial,
     {"count_saturated record[1]/row/count [99999999999999999999] -> [18446744073709551615] "
      "material",
      "count_absurd record [18446744073709551615] -> [18446744073709551615] material"},
     [](Report r) { EXPECT_EQ(r.messages(), UINT64_MAX); }},
    {"W9_Case",
     WithDisposition(" None"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].disposition, Disposition::kNone); }},
    {"W9_Empty",
     WithDisposition(""),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].disposition, Disposition::kUnspecified); }},
    {"W9_Nil",
     WithDisposition("nil"),
     kCosmetic,
     {"disposition_nil record[1]/row/policy_evaluated/disposition [nil] -> []"}},
    {"W10_Pass",
     WithDisposition("pass"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.records[0].disposition, Disposition::kPass);
       EXPECT_EQ(r.dialect, Dialect::kRfc9990);
     }},
    {"W11_Softfail",
     WithDisposition("softfail"),
     kMaterial,
     {"disposition_unknown record[1]/row/policy_evaluated/disposition [softfail] -> [] material"}},
    {"W11_Number",
     WithDisposition("15"),
     kMaterial,
     {"disposition_unknown record[1]/row/policy_evaluated/disposition [15] -> [] material"}},
    {"W12_RejectedThoughPassing",
     WithDisposition("reject"),
     kCosmetic,
     {"disposition_contradiction record[1]/row/policy_evaluated/disposition [reject] -> [reject]"},
     [](Report r) {
       EXPECT_TRUE(r.records[0].dmarc_pass());
       EXPECT_EQ(r.records[0].disposition, Disposition::kReject);
     }},
    {"W13_EmptyResult",
     Changed("<dkim>pass</dkim>", "<dkim/>"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.records[0].dkim_aligned, AlignedResult::kUnspecified);
       EXPECT_FALSE(r.records[0].dmarc_pass());
     }},
    {"W13_AbsentResult",
     Changed("<dkim>pass</dkim>", ""),
     kAccepted,
     {},
     [](Report r) { EXPECT_FALSE(r.records[0].dmarc_pass()); }},
    {"W14_None",
     Aligned("none"),
     kMaterial,
     {"aligned_unknown record[1]/row/policy_evaluated/spf [none] -> [] material"},
     [](Report r) { EXPECT_EQ(r.records[0].spf_aligned, AlignedResult::kUnspecified); }},
    {"W14_Junk",
     Aligned("passed?"),
     kMaterial,
     {"aligned_unknown record[1]/row/policy_evaluated/spf [passed?] -> [] material"},
     [](Report r) { EXPECT_EQ(r.records[0].spf_aligned, AlignedResult::kUnspecified); }},
    {"W14_CaseOfPass",
     Aligned("PASS"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].spf_aligned, AlignedResult::kPass); }},
    {"W16_OtherOrder",
     Changed("<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf>",
             "<reason><comment>c</comment><type>other</type></reason><spf>fail</spf>"
             "<dkim>pass</dkim><disposition>none</disposition>"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_TRUE(r.records[0].dmarc_pass());
       ASSERT_EQ(r.records[0].reasons.size(), 1u);
     }},
    {"W17_Several",
     Reason("<reason><type>forwarded</type></reason><reason><type>local_policy</type>"
            "<comment>arc=pass</comment></reason>"),
     kAccepted,
     {},
     [](Report r) {
       ASSERT_EQ(r.records[0].reasons.size(), 2u);
       EXPECT_EQ(r.records[0].reasons[0].type, ReasonType::kForwarded);
       EXPECT_EQ(r.records[0].reasons[1].comment, "arc=pass");
     }},
    {"W18_KnownText",
     Reason("<reason>sampled_out</reason>"),
     kCosmetic,
     {"reason_text record[1]/row/policy_evaluated/reason [sampled_out] -> [sampled_out]"},
     [](Report r) { EXPECT_EQ(r.records[0].reasons[0].type, ReasonType::kSampledOut); }},
    {"W18_FreeText",
     Reason("<reason>white list</reason>"),
     kCosmetic,
     {"reason_text record[1]/row/policy_evaluated/reason [white list] -> [other]"},
     [](Report r) {
       EXPECT_EQ(r.records[0].reasons[0].type, ReasonType::kOther);
       EXPECT_EQ(r.records[0].reasons[0].comment, "white list");
     }},
    {"W19_Empty",
     Reason("<reason><type></type><comment></comment></reason>"),
     kCosmetic,
     {"reason_empty record[1]/row/policy_evaluated/reason [] -> []"},
     [](Report r) { EXPECT_TRUE(r.records[0].reasons.empty()); }},
    {"W19_CommentOnly",
     Reason("<reason><type></type><comment>c</comment></reason>"),
     kCosmetic,
     {"reason_type_missing record[1]/row/policy_evaluated/reason [] -> [other]"}},
    {"W20_Spelling",
     Reason("<reason><type>Trusted-Forwarder</type></reason>"),
     kCosmetic,
     {"reason_mapped record[1]/row/policy_evaluated/reason [Trusted-Forwarder] -> []"},
     [](Report r) { EXPECT_EQ(r.records[0].reasons[0].type, ReasonType::kTrustedForwarder); }},
    {"W20_Unknown",
     Reason("<reason><type>arc</type></reason>"),
     kCosmetic,
     {"reason_unknown record[1]/row/policy_evaluated/reason [arc] -> [other]"}},
    {"W21_PolicyTestMode",
     Reason("<reason><type>policy_test_mode</type></reason>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.dialect, Dialect::kRfc9990); }},
    {"W22_Arc",
     Reason("<reason><type>local_policy</type>"
            "<comment>arc=fail as[2].d=google.com as[2].s=arc-1</comment></reason>"),
     kAccepted,
     {}},
    // --- I: identifiers ---
    {"I1_Alias",
     Replaced(Changed("<identifiers>", "<identities>"), "</identifiers>", "</identities>"),
     kCosmetic,
     {"identifiers_alias record[1]/identities [identities] -> [identifiers]"},
     [](Report r) { EXPECT_EQ(r.records[0].header_from, "example.com"); }},
    {"I2_All",
     Changed("<header_from>example.com</header_from>",
             "<envelope_to>hotmail.com</envelope_to><envelope_from>b.example.com</envelope_from>"
             "<header_from>example.com</header_from>"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.records[0].envelope_to, "hotmail.com");
       EXPECT_EQ(r.records[0].envelope_from, "b.example.com");
     }},
    {"I3_Missing",
     Changed("<header_from>example.com</header_from>", ""),
     kMaterial,
     {"header_from_assumed record[1]/identifiers/header_from [] -> [example.com] material"}},
    {"I3_Empty",
     Changed("<header_from>example.com", "<header_from> "),
     kMaterial,
     {"header_from_assumed record[1]/identifiers/header_from [] -> [example.com] material"}},
    {"I4_CaseAndDot",
     Changed("<header_from>example.com", "<header_from> News.Example.COM. "),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].header_from, "news.example.com"); }},
    {"I4_ULabel",
     HeaderFrom("m\u00fcnchen."),
     kCosmetic,
     {"domain_to_ascii record[1]/identifiers/header_from [m\u00fcnchen.example.com] -> "
      "[xn--mnchen-3ya.example.com]"}},
    {"I4_FullAddress",
     HeaderFrom("joe@"),
     kMaterial,
     {"domain_from_address record[1]/identifiers/header_from [*@example.com] -> [example.com] "
      "material"}},
    {"I4_Several",
     HeaderFrom("a.example.com, "),
     kMaterial,
     {"domain_list record[1]/identifiers/header_from [a.example.com, example.com] -> "
      "[a.example.com] material"}},
    {"I5_Outside",
     HeaderFrom("not"),
     kMaterial,
     {"from_outside_policy record[1]/identifiers/header_from [notexample.com] -> "
      "[notexample.com] material"}},
    {"I6_EmptyEnvelopeFrom",
     Changed("<identifiers>", "<identifiers><envelope_from/>"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.records[0].envelope_from, "");
       EXPECT_EQ(r.records[1].envelope_from, std::nullopt);
     }},
    {"I7_AddressInEnvelopeFrom",
     Changed("<identifiers>", "<identifiers><envelope_from>joe.doe@b.example</envelope_from>"),
     kCosmetic,
     {"domain_from_address record[1]/identifiers/envelope_from [*@b.example] -> [b.example]"}},
    {"I9_Script",
     HeaderFrom("&lt;script&gt;."),
     kCosmetic,
     {"domain_invalid record[1]/identifiers/header_from [<script>.example.com] -> "
      "[<script>.example.com]"}},
    {"I9_TerminalEscape",
     HeaderFrom("\x1b[2J."),
     kMaterial,
     {"bad_chars record[1]/identifiers/header_from [\x1b[2J.example.com] -> [[2J.example.com] "
      "material",
      "domain_invalid record[1]/identifiers/header_from [[2J.example.com] -> [[2j.example.com]"}},
    {"I10_Underscore",
     HeaderFrom("_x.1."),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].header_from, "_x.1.example.com"); }},
    // --- A: auth_results ---
    {"A1_Empty",
     Changed(
         "<spf><domain>other.example</domain><scope>helo</scope><result>softfail</result></spf>",
         ""),
     kAccepted,
     {},
     [](Report r) { EXPECT_TRUE(r.records[1].spf.empty()); }},
    {"A2_Several",
     Changed("<auth_results>",
             "<auth_results><spf><domain>a.example</domain>"
             "<result>none</result></spf><dkim><domain>b.example</domain>"
             "<result>fail</result></dkim>"),
     kAccepted,
     {},
     [](Report r) {
       EXPECT_EQ(r.records[0].dkim.size(), 2u);
       EXPECT_EQ(r.records[0].spf.size(), 2u);
       EXPECT_EQ(r.messages(), 5u);  // D8: a record is one, however many signatures it has
     }},
    {"A4_Hollow",
     Changed("<auth_results>", "<auth_results><dkim><domain/><result/></dkim>"),
     kCosmetic,
     {"dkim_hollow record[1]/auth_results/dkim [] -> []"},
     [](Report r) { EXPECT_EQ(r.records[0].dkim.size(), 1u); }},
    {"A5_EmptySelector",
     Changed("<selector>s1</selector>", "<selector></selector>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].dkim[0].selector, std::nullopt); }},
    {"A6_EmptySpfDomain",
     Changed("bounce.example.net", ""),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].spf[0].domain, std::nullopt); }},
    {"A7_UnknownScope",
     Changed("<scope>mfrom", "<scope>pra"),
     kCosmetic,
     {"scope_unknown record[1]/auth_results/spf/scope [pra] -> []"}},
    {"A7_Case",
     Changed("<scope>mfrom", "<scope>MFROM"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].spf[0].scope, SpfScope::kMfrom); }},
    {"A8_Invalid",
     DkimResult("invalid"),
     kMaterial,
     {"result_mapped record[1]/auth_results/dkim/result [invalid] -> [permerror] material"}},
    {"A8_Empty",
     DkimResult(""),
     kCosmetic,
     {"result_empty record[1]/auth_results/dkim/result [] -> [none]"}},
    {"A8_Absent",
     Changed("<selector>s1</selector><result>pass</result>", "<selector>s1</selector>"),
     kCosmetic,
     {"result_missing record[1]/auth_results/dkim/result [] -> []"},
     [](Report r) { EXPECT_EQ(r.records[0].dkim[0].result, AuthResult::kUnspecified); }},
    {"A8_Softfail",
     DkimResult("softfail"),
     kMaterial,
     {"result_mapped record[1]/auth_results/dkim/result [softfail] -> [fail] material"}},
    {"A8_Junk",
     DkimResult("okay"),
     kMaterial,
     {"result_unknown record[1]/auth_results/dkim/result [okay] -> [] material"},
     [](Report r) { EXPECT_EQ(r.records[0].dkim[0].result, AuthResult::kUnspecified); }},
    {"A9_Hardfail",
     SpfResult("hardfail"),
     kMaterial,
     {"result_mapped record[1]/auth_results/spf/result [hardfail] -> [fail] material"}},
    {"A9_Unknown",
     SpfResult("unknown"),
     kMaterial,
     {"result_mapped record[1]/auth_results/spf/result [unknown] -> [temperror] material"}},
    {"A9_TemporaryError",
     SpfResult("Temporary Error"),
     kMaterial,
     {"result_mapped record[1]/auth_results/spf/result [Temporary Error] -> [temperror] material"}},
    {"A9_Policy", SpfResult("policy"), kAccepted, {}},
    {"A10_Case",
     SpfResult("SoftFail"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].spf[0].result, AuthResult::kSoftfail); }},
    {"A11_Text",
     DkimResult("fail; key not found"),
     kCosmetic,
     {"result_text record[1]/auth_results/dkim/result [fail; key not found] -> [fail]"},
     [](Report r) {
       EXPECT_EQ(r.records[0].dkim[0].result, AuthResult::kFail);
       EXPECT_EQ(r.records[0].dkim[0].human_result, "key not found");
     }},
    {"A11_Parentheses",
     SpfResult("pass (ip4)"),
     kCosmetic,
     {"result_text record[1]/auth_results/spf/result [pass (ip4)] -> [pass]"}},
    {"A12_HumanResult",
     Changed("<result>pass</result></spf>",
             "<result>pass</result><human_result>ok</human_result></spf>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].spf[0].human_result, "ok"); }},
    {"A14_OddDomain",
     Changed("bounce.example.net", "NULL domain, joe@x"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.records[0].spf[0].domain, "null domain, *@x"); }},
    {"A16_Foreign",
     Changed("<auth_results>", "<auth_results><domainkeys><x/></domainkeys><arc/>"),
     kAccepted,
     {},
     [](Report r) { EXPECT_EQ(r.extensions, (std::vector<std::string>{"domainkeys", "arc"})); }},
};

class QuirksRecordTest : public testing::TestWithParam<QuirkCase> {};
TEST_P(QuirksRecordTest, Case) { CheckQuirk(GetParam()); }
INSTANTIATE_TEST_SUITE_P(All, QuirksRecordTest, testing::ValuesIn(kCases),
                         [](const auto& c) { return c.param.name; });

// A13: of many signatures the aligned ones stay.
TEST(QuirksRecord, A13_ManySignaturesAreCapped) {
  std::string many = "<auth_results>";
  for (int i = 0; i < 150; ++i) {
    many +=
        "<dkim><domain>list" + std::to_string(i) + ".example</domain><result>pass</result></dkim>";
  }
  const ParsedAggregate got = ParseOne(Changed("<auth_results>", many));
  EXPECT_EQ(RepairTexts(got),
            std::vector<std::string>{"dkim_capped record[1]/auth_results/dkim [151] -> [100]"});
  ASSERT_TRUE(got.report.has_value());
  ASSERT_EQ(got.report->records[0].dkim.size(), 100u);
  EXPECT_EQ(got.report->records[0].dkim[0].domain, "example.com");
}

}  // namespace
}  // namespace dmarcate
