// ingestd/intake/smtp/protocol/session.h
// One SMTP or LMTP session as a pure state machine: octets in, replies and requests out. No IO, no
// clock. However the octets are cut into pieces, the replies are the same.
//
// RFC 5321 (SMTP), 2033 (LMTP), 1870 (SIZE), 2034 and 3463 (ENHANCEDSTATUSCODES), 2920
// (PIPELINING), 3207 (STARTTLS), 6152 (8BITMIME). It differs from RFC 5321 where a receiver that
// relays nothing can be narrower:
//   - Lines end with CR LF only. A CR or LF alone in a command ends the connection, in a message it
//     refuses the message.
//   - Only the addresses of a RecipientTable are accepted, in their plain form; postmaster only if
//     it is one of them. One of which it cannot say yet whether it takes reports gets 450.
//   - After the first unknown recipient of an SMTP connection every further one is put off with
//     451, known or not: guessing shows nothing, and an honest sender comes again.
//   - An SMTP client hears of its errors only after a pause, whose length is the caller's (pace.h).
//   - CHUNKING is not offered, and BDAT ends the connection: what follows it is no command.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_SESSION_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_SESSION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ingestd/intake/smtp/protocol/data_reader.h"
#include "ingestd/intake/smtp/protocol/recipients.h"

namespace dmarcate {

enum class MailProtocol { kSmtp, kLmtp };
enum class TlsOffer { kNo, kYes };

struct SmtpLimits {
  int64_t message_bytes = 25 << 20;
  size_t command_line_bytes = 1024;  // with its line end; RFC 5321 section 4.5.3.1.4 asks for 512
  size_t recipients = 100;           // of one message; section 4.5.3.1.8
  int errors = 10;                   // of one connection
  int commands = 250;                // from one message to the next
};

struct SmtpSessionOptions {
  MailProtocol protocol = MailProtocol::kSmtp;
  TlsOffer tls = TlsOffer::kNo;
  std::string hostname;  // how we call ourselves
  SmtpLimits limits;
};

// A message that has come whole.
struct SmtpMessage {
  std::string helo, mail_from;          // as said; ASCII
  std::vector<std::string> recipients;  // as said; at least one
  // To whose budgets of recipients the message counts, each once: the domain of a report address,
  // whichever of its addresses it was; else the mailbox, in lower case.
  std::vector<std::string> budget_keys;
  std::string content;  // as sent, without the dots of section 4.5.2
};

// Why something cannot be taken now.
enum class SmtpRefusal {
  kDiskFull,     // 452
  kNoRoom,       // 451
  kStoreFailed,  // 451
  kOverBudget,   // 451, and an error of the client's (sender_budgets.h)
};

// Not thread-safe.
class SmtpSession {
 public:
  // What the session waits for. Until it is answered, Feed() takes nothing.
  enum class Action {
    kInput,     // Feed()
    kAdmit,     // MAIL: Admit() or Refuse()
    kRoom,      // room for a message of wanted_bytes() in all: GrantRoom() or Refuse()
    kDeliver,   // TakeMessage(), then Delivered() or Refuse()
    kPause,     // the replies are kept back for a while, then Resume()
    kStartTls,  // once the replies are sent: the handshake, then TlsStarted()
    kClose,     // once the replies are sent: the end
  };

  // Both outlive the session. The greeting is the first reply.
  SmtpSession(const SmtpSessionOptions& options, const RecipientTable& recipients);

  // Takes octets until it waits for something else or has much to say, and returns how many. What
  // stands behind STARTTLS in clear text is taken and thrown away (RFC 3207 section 4.2).
  size_t Feed(std::string_view input);
  Action action() const { return action_; }
  // What is to be sent, in one piece (RFC 2920 section 3.2).
  std::string TakeReplies();

  void Admit();
  int64_t wanted_bytes() const { return wanted_bytes_; }
  // Of the message that is being given, accepted so far.
  const SmtpMessage& envelope() const { return message_; }
  // The message may take `bytes` in all.
  void GrantRoom(int64_t bytes);
  // Call once.
  SmtpMessage TakeMessage();
  void Delivered();
  void Refuse(SmtpRefusal refusal);
  void TlsStarted();
  void Resume();

  // No new message is begun: 421 at the next moment between messages, which may be now.
  void Drain();
  // 421 now; not while a message is being delivered. `why`: "timeout", "shutdown".
  void Abort(std::string_view why);

  bool in_message() const { return state_ == State::kData; }
  // Octets of a message are kept here, or will be.
  bool holds_message() const {
    return action_ == Action::kRoom || (in_message() && data_refused_.empty());
  }
  bool tls() const { return tls_; }
  const std::string& helo() const { return helo_; }
  // For pauses and the log. Texts of our own, never the client's.
  int errors() const { return errors_; }
  int messages() const { return messages_; }
  int64_t progress() const { return progress_; }  // grows with every line
  std::string_view last_error() const { return last_error_; }
  std::string_view close_reason() const { return close_reason_; }  // "quit", "too_many_errors"

 private:
  enum class State { kCommand, kData };

  size_t ReadLine(std::string_view input);
  size_t ReadData(std::string_view input);
  void OnLine(std::string_view line);
  void OnDataEnd();
  void Hello(std::string_view verb, std::string_view argument);
  void Mail(std::string_view argument);
  void Rcpt(std::string_view argument);
  void Data(std::string_view argument);
  void StartTls(std::string_view argument);
  void Reply(std::string_view text);
  void Error(std::string_view text);
  void EndMessage(std::string_view text);
  void Close(std::string_view text, std::string_view reason);
  void ResetTransaction();
  bool DiscardsMessage() const;

  const SmtpSessionOptions& options_;
  const RecipientTable& recipients_;
  Action action_ = Action::kInput;
  State state_ = State::kCommand;
  std::string replies_;
  bool tls_ = false, draining_ = false;
  int errors_ = 0, commands_ = 0, messages_ = 0;
  int64_t progress_ = 0;
  bool missed_ = false;  // a recipient was unknown
  std::string_view last_error_, close_reason_;

  // The command that is being read.
  std::string line_;
  bool line_cr_ = false;          // its last octet was a CR
  size_t line_excess_bytes_ = 0;  // beyond the limit, thrown away

  // The transaction.
  std::string helo_;  // empty: none said
  bool mail_given_ = false;
  SmtpMessage message_;
  int64_t declared_bytes_ = 0, wanted_bytes_ = 0, room_bytes_ = 0, data_bytes_ = 0;
  DataReader reader_;
  std::string_view data_refused_;  // why the message will not be taken; empty: it will
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_SESSION_H_
