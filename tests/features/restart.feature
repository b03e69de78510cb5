Feature: After a restart
  With outcomes kept on disk, a client that was told an outcome can rely on it,
  whatever becomes of the process: the outcome, the id and the sequence are still
  there after the next start.

  Rule: What was told before is told again

    Scenario Outline: After an orderly stop
      Given a service that keeps its outcomes on disk
      And clients that speak <protocol>
      When the client submits order "good" worth 100.50 with {"side":"buy"}
      And the client submits order "bad" worth -1
      And the service has been stopped
      And it is started again
      Then order "good" is on record as processed, with sequence 1
      And the record of order "good" holds:
        """
        "side":"buy"
        """
      When the client submits order "good" worth 1.005e2 with {"side":"buy"}
      Then the client is told again that the order is processed, with sequence 1
      When the client submits order "bad" worth -1
      Then the client is told again that the order failed, with sequence 2, because "value must be above zero"

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: After it was killed (kill -9)
      Given a service that keeps its outcomes on disk
      And clients that speak <protocol>
      And orders "a" and "b" are processed
      When the service is killed without a warning
      And it is started again
      And the client submits order "b" worth 1
      Then the client is told again that the order is processed, with sequence 2
      When another client submits order "a" worth 2
      Then the client is told that the id belongs to another order

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: After it was killed under load
      Given a service that keeps its outcomes on disk
      And clients that speak <protocol>
      And 6 clients that submit one order after the other
      When they have had 100 answers
      And the service is killed without a warning
      And it is started again
      Then every outcome that they were told is still on record
      And a new order gets a sequence above all of these

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: Sequences go on where they ended

    Scenario Outline: Without a gap
      Given a service that keeps its outcomes on disk
      And clients that speak <protocol>
      And orders "a", "b" and "c" are processed
      When the service is killed without a warning
      And it is started again
      And the client submits order "d" worth 1
      Then the client is told that the order is processed, with sequence 4

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: In memory, a restart forgets

    Scenario: Sequences begin again
      Given a service
      And orders "a" and "b" are processed
      When the service has been stopped
      And it is started again
      Then order "a" is not known
      When the client submits order "b" worth 1
      Then the client is told that the order is processed, with sequence 1
