Feature: Ready, and alive
  Whoever sends traffic to the service asks whether it is ready for orders;
  whoever watches over the process asks whether it is alive. A service that is
  about to end is alive and not ready.

  Scenario: After the start
    Given a service
    Then the service is alive
    And the service is ready for orders

  Scenario: After a start with outcomes on disk
    Given a service that keeps its outcomes on disk
    Then the service is alive
    And the service is ready for orders

  Scenario: A full queue is no reason to send traffic elsewhere
    Given a service
    And its only worker never gets done with an order
    And its queue has room for 1 order
    When orders are submitted until the queue is full
    Then the service is alive
    And the service is ready for orders

  Scenario: While it drains
    Given a service
    And its only worker takes 2s for an order
    And a client waits for the outcome of order "last" worth 1
    When the service is told to stop
    And it has begun to drain
    Then the service is alive
    And the service is not ready for orders, because "Shutting down"
    And it ends with exit code 0
