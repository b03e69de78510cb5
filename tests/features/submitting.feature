Feature: Submitting an order
  A client hands in an order: an id of its own choice, a value, and whatever
  else belongs to it. What it is told is the outcome, and an outcome is final.

  Rule: The client is told the outcome

    Scenario Outline: An order that passes is processed
      Given a service
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 100.50
      Then the client is told that the order is processed, with sequence 1
      And the status is <status>
      And order "ord-001" is on record as processed, with sequence 1

      Examples:
        | protocol | status |
        | HTTP | 201    |
        | gRPC | OK     |

    Scenario Outline: An order that the processor turns down has failed: an outcome, too
      Given a service
      And it refuses values above 1000
      And clients that speak <protocol>
      When the client submits order "ord-001" worth <value>
      Then the client is told that the order failed, with sequence 1, because "<reason>"
      And the status is <status>
      And order "ord-001" is on record as failed, with sequence 1

      Examples:
        | protocol | value   | reason                           | status |
        | HTTP | 0       | value must be above zero         | 422    |
        | HTTP | -1      | value must be above zero         | 422    |
        | HTTP | 1000.01 | value is above the limit of 1000 | 422    |
        | gRPC | 0       | value must be above zero         | OK     |
        | gRPC | -1      | value must be above zero         | OK     |
        | gRPC | 1000.01 | value is above the limit of 1000 | OK     |

    Scenario Outline: Outcomes are numbered from 1, in the order in which they come about
      Given a service
      And clients that speak <protocol>
      When the client submits order "a" worth 1
      Then the client is told that the order is processed, with sequence 1
      When the client submits order "b" worth -1
      Then the client is told that the order failed, with sequence 2
      When the client submits order "c" worth 1
      Then the client is told that the order is processed, with sequence 3

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: What was handed in stands in the record as it came

    Scenario Outline: Other members and every digit are kept
      Given a service
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 79228162514264337593543950.33 with {"side":"buy","legs":[1.10,{"x":null}]}
      Then the client is told that the order is processed
      And the record of order "ord-001" holds:
        """
        "value":79228162514264337593543950.33
        """
      And the record of order "ord-001" holds:
        """
        "legs":[1.10,{"x":null}]
        """
      And the record of order "ord-001" says when it was accepted and committed

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: Every order can be looked up by its id

    Scenario Outline: An order on its way is queued
      Given a service
      And its only worker never gets done with an order
      And clients that speak <protocol>
      And a client waits for the outcome of order "ord-001" worth 1
      Then order "ord-001" is on record as queued

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: An order that was never handed in is not known
      Given a service
      And clients that speak <protocol>
      Then order "ord-001" is not known
      And the reason given is: not among the outcomes so far

      Examples:
        | protocol |
        | HTTP |
        | gRPC |
