// What applies where the configuration names no anchor list: deploy/anchors.toml, octet by octet. A
// test compares the two.

#include "ingestd/pipeline/anchors.h"

namespace dmarcate {

std::string_view ShippedAnchors() {
  // clang-format off
  return R"TOML(# Anchors: reporters whose word may open a gate of a rollout. Read by ingestd at its start ([trust] anchors).
# An anchor is the exact triple of From address, signing domain (d=) and organisation (org_name). A domain alone
# is never enough: where signs_user_mail is true, it also signs what its users write.
#
#   name           the organisation, for people; nobody else may report under this name or those of `organizations`
#   from           the address in From of the mail that carries the report
#   signed_by      d= of the signature that has to be right
#   organizations  <org_name> of the report, octet by octet
#   domains        other domains under which it reports: in <email>, in the file name, after "Submitter:"
#   seen           where the triple was read; ingestd does not use it
#
# To take a reporter off the list, delete its table and restart ingestd. What was stored keeps its class.

[[anchor]]
name = "Google"
from = "noreply-dmarc-support@google.com"
signed_by = ["google.com"]
organizations = ["google.com"]
domains = ["gmail.com", "googlemail.com"]
signs_user_mail = true  # of its staff; Gmail's users have gmail.com
seen = "five mails with signature, 2015 to 2022"

[[anchor]]
name = "Microsoft"
from = "dmarcreport@microsoft.com"
signed_by = ["notification.microsoft.com"]
organizations = ["Outlook.com", "Enterprise Outlook"]
domains = ["outlook.com"]  # reports as protection.outlook.com and enterprise.protection.outlook.com
signs_user_mail = false
seen = "one mail with signature (Outlook.com), 2022; Enterprise Outlook in reports with the same address, without their mail"

[[anchor]]
name = "Yahoo"
from = "noreply@dmarc.yahoo.com"
signed_by = ["yahoo.com"]
organizations = ["Yahoo! Inc.", "Yahoo"]
domains = ["yahooinc.com"]
signs_user_mail = true
seen = "two mails with signature (Yahoo! Inc.), 2015 and 2019; Yahoo in reports with dmarchelp@yahooinc.com, without their mail"

[[anchor]]
name = "Mail.Ru"
from = "dmarc_support@corp.mail.ru"
signed_by = ["corp.mail.ru"]
organizations = ["Mail.Ru"]
domains = []
signs_user_mail = false  # staff only; users have mail.ru
seen = "two mails with signature, 2019 and 2022"

[[anchor]]
name = "Amazon SES"
from = "postmaster@amazonses.com"
signed_by = ["amazonses.com"]
organizations = ["AMAZON-SES"]
domains = []
signs_user_mail = true  # a second signature on every customer's mail
seen = "one mail with signature, 2022"

[[anchor]]
name = "Mimecast"
from = "no-reply@au-1.mimecastreport.com"
signed_by = ["au-1.mimecastreport.com"]
organizations = ["Mimecast"]
domains = ["mimecast.org", "mimecast.com"]
signs_user_mail = false
seen = "one mail with signature, 2023; other regions have addresses of their own"

# Who may report under another domain than the one that is authenticated.
# [[exception]]
# authenticated = "reporting.example"
# claims = ["example.net"]
# seen = "..."
)TOML";
  // clang-format on
}

}  // namespace dmarcate
