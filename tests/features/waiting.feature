Feature: Waiting for the outcome, or not
  A client is told the outcome, so it waits for it. Who prefers not to wait is
  told that the order is queued, which promises less: it says that the order is
  inside, and where to look for its outcome later.

  Rule: The client decides how long it wants to wait

    Scenario Outline: Not at all
      Given a service
      And its only worker takes 3s for an order
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1, preferring not to wait
      Then the client is told that the order is queued
      And in the end order "ord-001" is on record as processed, with sequence 1

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario: Over HTTP, the client is told where to look
      Given a service
      And its only worker never gets done with an order
      When the client submits order "ord-001" worth 1, preferring not to wait
      Then the client is told that the order is queued
      And the status is 202
      And the client is told to look at /orders/ord-001 for the outcome

    Scenario Outline: For a time that is too short
      Given a service
      And its only worker never gets done with an order
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1, preferring to wait 1 s at most
      Then the client is told that the order is queued

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: For a time that is long enough
      Given a service
      And its only worker takes 100ms for an order
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1, preferring to wait 30 s at most
      Then the client is told that the order is processed

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: The operator decides how long anybody may wait

    Scenario Outline: The longest wait passes
      Given a service
      And its only worker takes 3s for an order
      And it answers "queued" when there is no outcome after 50ms
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1
      Then the client is told that the order is queued
      And in the end order "ord-001" is on record as processed

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: A client can't ask for more
      Given a service
      And its only worker never gets done with an order
      And it answers "queued" when there is no outcome after 50ms
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1, preferring to wait 30 s at most
      Then the client is told that the order is queued

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: Nobody waits
      Given a service
      And its only worker takes 3s for an order
      And it answers "queued" without waiting for outcomes
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1
      Then the client is told that the order is queued
      And in the end order "ord-001" is on record as processed
      When the client submits the same order again
      Then the client is told again that the order is processed, with sequence 1

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: Unless the client asks for it
      Given a service
      And it answers "queued" without waiting for outcomes
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1, preferring to wait 30 s at most
      Then the client is told that the order is processed

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: Who was told "queued" may ask again by sending the same order

    Scenario Outline: While it is on its way, and afterwards
      Given a service
      And its only worker takes 4s for an order
      And clients that speak <protocol>
      When the client submits order "ord-001" worth 1, preferring not to wait
      Then the client is told that the order is queued
      When the client submits order "ord-001" worth 1, preferring not to wait
      Then the client is told again that the order is queued
      When the client submits order "ord-001" worth 1 again
      Then the client is told again that the order is processed, with sequence 1

      Examples:
        | protocol |
        | HTTP |
        | gRPC |
